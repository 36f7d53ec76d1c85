use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::{Address, Form, Offer, Operation, Subject, codec};

use crate::mapping::PayloadTemplate;
use crate::recorder::Refusal;

/// One action that a device has.
#[derive(Debug, Clone)]
pub struct Action {
    /// Its name in the thing.
    pub name: SmolStr,
    /// Name of the adapter that offers it.
    pub adapter: Arc<str>,
    /// Where it is in its silo.
    pub address: Address,
    /// What is told of it.
    pub subject: Arc<Subject>,
    /// What it is invoked with, where that is not its input as it is.
    pub payload: Option<PayloadTemplate>,
}

impl Action {
    /// How it is invoked.
    #[must_use]
    pub fn form(&self) -> Form {
        self.subject.form.clone().unwrap_or_else(|| Form {
            address: self.address.clone(),
            operation: Operation::InvokeAction,
            content_type: None,
            terms: BTreeMap::new(),
        })
    }

    pub(super) fn is_at(&self, adapter: &str, address: &Address) -> bool {
        &*self.adapter == adapter && self.address == *address
    }
}

/// Adds what is offered, or puts it in the place of what its address offered before; false when it
/// is there already. An action whose name another address has is called `name-2`, `name-3`…
pub(super) fn offer(
    actions: &mut Vec<Action>,
    adapter: &Arc<str>,
    offer: &Offer,
    payload: Option<PayloadTemplate>,
    most: usize,
) -> Result<bool, Refusal> {
    let known = actions.iter().position(|known| known.is_at(adapter, &offer.address));
    if known.is_none() && actions.len() >= most {
        return Err(Refusal::Actions(most));
    }
    let is_same = |known: &Action| known.subject == offer.subject && known.payload == payload;
    if known.is_some_and(|known| is_same(&actions[known])) {
        return Ok(false);
    }
    let plain = codec::property_name(&offer.subject.name);
    let mut name = plain.clone();
    let mut number = 1;
    let is_taken = |name: &SmolStr| {
        actions.iter().any(|other| other.name == *name && !other.is_at(adapter, &offer.address))
    };
    while is_taken(&name) {
        number += 1;
        name = format_smolstr!("{plain}-{number}");
    }
    let (adapter, subject) = (adapter.clone(), offer.subject.clone());
    let address = offer.address.clone();
    let action = Action { name, adapter, address, subject, payload };
    match known {
        Some(known) => actions[known] = action,
        None => actions.push(action),
    }
    Ok(true)
}
