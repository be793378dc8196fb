//! The check of a callback with signatures of both schemes. The two checks run side by side, so that a scheme whose keys
//! cannot be read does not hold up the other one.

use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::time::timeout;

use super::{
    secret::SecretSource,
    signature_check::{SignatureCheck, Verified},
};
use crate::{rejection::Rejection, time_budget::MISMATCH};

/// Returns the first valid signature. Pay's goes before a valid one of the aggregation scheme, because it decides the kind:
/// its cached keys are always tried. Without any, the check waits for them no longer than [`MISMATCH`] once the aggregation
/// signature is verified.
pub(super) async fn check_both<S: SecretSource>(
    pay: &mut SignatureCheck<'_, S>,
    aggregation: &mut SignatureCheck<'_, S>,
) -> Verified {
    let mut aggregation = pin!(aggregation.with_all_keys());
    let (pay_rejection, aggregation_rejection) = {
        let pay = pin!(pay.with_cached_keys());
        match select(pay, aggregation.as_mut()).await {
            Either::Left((Ok(verified), _)) => return Ok(verified),
            Either::Left((Err(rejection), _)) => (rejection, None),
            Either::Right((Ok(verified), pay)) => {
                let pay = timeout(MISMATCH, pay).await;
                return pay.ok().and_then(Result::ok).map_or(Ok(verified), Ok);
            }
            Either::Right((Err(rejection), pay)) => match pay.await {
                Ok(verified) => return Ok(verified),
                Err(pay_rejection) => (pay_rejection, Some(rejection)),
            },
        }
    };
    let pay = pin!(pay.with_newer_keys(pay_rejection));
    let (last, other) = match aggregation_rejection {
        Some(rejection) => (pay.await, rejection),
        None => match select(pay, aggregation).await {
            Either::Left((Err(rejection), aggregation)) => (aggregation.await, rejection),
            Either::Right((Err(rejection), pay)) => (pay.await, rejection),
            Either::Left((verified, _)) | Either::Right((verified, _)) => return verified,
        },
    };
    // The key that signed may be one that could not be read, whichever scheme's.
    last.map_err(|rejection| if other == Rejection::NoKeys { other } else { rejection })
}
