//! What becomes of the rows of the table: one variant each, and what depends on which it is.

/// Makes [`ProtocolConfig`] of the rows.
macro_rules! protocols {
    ($($(#[$attribute:meta])* $name:literal => $variant:ident($config:ty),)*) => {
        /// What can be set for an adapter, by protocol.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "there is a handful of them, made once")]
        pub enum ProtocolConfig {
            $($(#[$attribute])* #[doc = concat!("`protocol = \"", $name, "\"`")] $variant($config),)*
        }

        impl ProtocolConfig {
            /// Every protocol that this build speaks.
            pub const NAMES: &[&str] = &[$($(#[$attribute])* $name,)*];

            /// The word in `protocol = "…"`.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $($(#[$attribute])* Self::$variant(_) => $name,)* }
            }

            /// Where it connects to, without credentials; none when devices connect to it instead.
            #[must_use]
            pub fn remote(&self) -> Option<String> {
                match self { $($(#[$attribute])* Self::$variant(options) => options.remote(),)* }
            }

            /// Reads the options of one protocol.
            pub(crate) fn read<'de, D: Deserializer<'de>>(
                protocol: &str,
                options: D,
            ) -> Result<Self, D::Error> {
                match protocol {
                    $($(#[$attribute])* $name => <$config>::deserialize(options).map(Self::$variant),)*
                    other => Err(D::Error::unknown_variant(other, Self::NAMES)),
                }
            }

            /// What is wrong with options that can each be read.
            pub(crate) fn objection(&self) -> Option<Objection> {
                match self { $($(#[$attribute])* Self::$variant(options) => options.objection(),)* }
            }

            /// The schema of the options of each protocol, and all that those refer to.
            pub(crate) fn schemas() -> Vec<ProtocolSchema> {
                vec![$($(#[$attribute])* ProtocolSchema::of::<$config>($name),)*]
            }

            async fn build(
                &self,
                name: &str,
                exposed: &Arc<dyn Exposed>,
            ) -> Result<Built, BuildError> {
                match self { $($(#[$attribute])* Self::$variant(options) => options.build(name, exposed).await,)* }
            }
        }
    };
}
