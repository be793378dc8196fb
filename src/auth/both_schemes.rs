//! The check of a callback that has signatures of both schemes. The two checks run side by side, so that a scheme whose
//! keys cannot be read does not hold up the other one.

use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::time::timeout;

use super::{
    secret::SecretSource,
    signature_check::{CheckResult, SignatureCheck},
};
use crate::{rejection::Rejection, time_budget::MISMATCH};

/// Returns the first valid signature. If both are valid, Pay's counts, because it decides the kind. So cached Pay keys
/// are always tried, also while they are due and cannot be read. If there are none, the check waits until they are read,
/// but at most [`MISMATCH`] once the aggregation signature is verified.
pub(super) async fn check_both<S: SecretSource>(
    pay: &mut SignatureCheck<'_, S>,
    aggregation: &mut SignatureCheck<'_, S>,
) -> CheckResult {
    let mut aggregation = pin!(aggregation.with_all_keys());
    // First Pay's known keys, beside the whole aggregation check.
    let rejections = {
        let pay = pin!(pay.with_known_keys());
        match select(pay, aggregation.as_mut()).await {
            Either::Left((Ok(verified), _)) => return Ok(verified),
            Either::Left((Err(rejection), _)) => Ok((rejection, None)),
            Either::Right((Ok(verified), pay)) => match timeout(MISMATCH, pay).await {
                // Pay's signature if it is valid by then, or else the aggregation signature.
                Ok(pay) => return pay.or(Ok(verified)),
                Err(_) => Err(verified),
            },
            Either::Right((Err(rejection), pay)) => match pay.await {
                Ok(verified) => return Ok(verified),
                Err(pay_rejection) => Ok((pay_rejection, Some(rejection))),
            },
        }
    };
    let (pay_rejection, aggregation_rejection) = match rejections {
        Ok(rejections) => rejections,
        // The read of Pay's keys hangs: the cached ones decide, if there are any.
        Err(verified) => return Ok(pay.with_cached_keys().unwrap_or(verified)),
    };
    // No known Pay key matched: read Pay's keys, while the aggregation check continues if it has not ended.
    let pay = pin!(pay.with_newer_keys(pay_rejection));
    let (last, other) = match aggregation_rejection {
        Some(rejection) => (pay.await, rejection),
        None => match select(pay, aggregation).await {
            Either::Left((Err(rejection), aggregation)) => (aggregation.await, rejection),
            Either::Right((Err(rejection), pay)) => (pay.await, rejection),
            Either::Left((verified, _)) | Either::Right((verified, _)) => return verified,
        },
    };
    // If the keys of either scheme could not be read, the signing key may be among them: 503 instead of 401.
    last.map_err(|rejection| if other == Rejection::NoKeys { other } else { rejection })
}
