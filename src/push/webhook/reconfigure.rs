use super::error::StartError;
use super::{WebhookConfig, Webhooks};

impl Webhooks {
    /// Makes a webhook of the configuration, or changes the one of its name, which goes on where
    /// it is.
    ///
    /// # Errors
    /// When the configuration is not right.
    pub fn reconfigure(&self, config: &WebhookConfig) -> Result<(), StartError> {
        // A key that is no longer told can only be taken away together with the webhook.
        if config.secret.is_some() {
            match self.change(&config.name, config.to_patch()) {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => {}
                Err(faults) => return Err(StartError::invalid(&config.name, faults)),
            }
        }
        let _ = self.delete(&config.name);
        self.configure(config)
    }
}
