//! [`Deliveries`] and [`Payloads`] without any server.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use super::*;

/// Which deliveries are claimed, by whom and until when; `None` for those that are done.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<String, Option<(String, SystemTime)>>>);

impl Memory {
    pub fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }
}

impl Deliveries for Memory {
    async fn claim(&self, delivery_id: &str, lease: &Lease<'_>) -> Result<Claim, Failure> {
        let mut deliveries = self.0.lock().unwrap();
        match deliveries.get(delivery_id) {
            Some(None) => return Ok(Claim::Done),
            Some(Some((owner, until))) if owner != lease.owner && *until >= lease.from => return Ok(Claim::InProgress),
            _ => {}
        }
        deliveries.insert(delivery_id.to_owned(), Some((lease.owner.to_owned(), lease.until)));
        Ok(Claim::Ours)
    }

    async fn finish(&self, delivery_id: &str) -> Result<(), Failure> {
        self.0.lock().unwrap().insert(delivery_id.to_owned(), None);
        Ok(())
    }

    async fn release(&self, delivery_id: &str, lease: &Lease<'_>) -> Result<(), Failure> {
        let mut deliveries = self.0.lock().unwrap();
        if deliveries
            .get(delivery_id)
            .is_some_and(|claim| claim.as_ref().is_some_and(|(owner, _)| owner == lease.owner))
        {
            deliveries.remove(delivery_id);
        }
        Ok(())
    }
}

/// The objects of `../fixtures/objects` and those that a case puts.
#[derive(Default)]
pub struct Folder {
    put: Mutex<BTreeMap<String, Vec<u8>>>,
    gone: Mutex<BTreeSet<String>>,
}

impl Folder {
    pub fn put(&self, key: &str, payload: Vec<u8>) {
        self.gone.lock().unwrap().remove(key);
        self.put.lock().unwrap().insert(key.to_owned(), payload);
    }

    pub fn delete(&self, key: &str) {
        self.gone.lock().unwrap().insert(key.to_owned());
    }
}

impl Payloads for Folder {
    async fn fetch(&self, bucket: &str, key: &str) -> Result<Vec<u8>, Failure> {
        let gone = || Failure::new("could not fetch the payload");
        assert_eq!(bucket, BUCKET, "no other bucket is asked");
        if self.gone.lock().unwrap().contains(key) {
            return Err(gone());
        }
        self.put.lock().unwrap().get(key).cloned().ok_or_else(gone)
    }
}
