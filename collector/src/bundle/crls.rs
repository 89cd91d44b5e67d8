//! Fetches CRLs from where certificates say they are published, and the deltas that those name. Each is parsed before it is
//! carried.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use assay_report::bundle::{CarriedCrl, GapKind};
use assay_verifier::limits;
use assay_verifier::revocation::PublishedCrl;
use tokio::task::JoinSet;

use super::carrier::{Carrier, FetchEvent};
use super::staging::StagingError;
use crate::errors::with_sources;
use crate::report::text::count;

/// Fetches everything under `urls`, each with the signature that demands it, and what they lead to.
pub(super) async fn fetch_crls(
    carrier: &Arc<Carrier>,
    urls: BTreeMap<String, String>,
    concurrency: usize,
) -> Result<(), StagingError> {
    if urls.len() > limits::EVIDENCE_FILES {
        let why = format!(
            "signatures name {}, and no verifier reads more than {}",
            count(urls.len(), "CRL"),
            limits::EVIDENCE_FILES
        );
        carrier.gap(GapKind::Crl, "CRLs", why);
    }
    let mut waiting: Vec<(String, String)> = urls.into_iter().take(limits::EVIDENCE_FILES).collect();
    let mut known: BTreeSet<String> = waiting.iter().map(|(url, _)| url.clone()).collect();
    carrier.say(FetchEvent::Crls(known.len()));
    let mut running = JoinSet::new();
    loop {
        while running.len() < concurrency.max(1)
            && let Some((url, whose)) = waiting.pop()
        {
            let carrier = Arc::clone(carrier);
            running.spawn(async move {
                let deltas = fetch_crl(&carrier, url, &whose).await?;
                Ok::<_, StagingError>(deltas.into_iter().map(move |delta| (delta, whose.clone())))
            });
        }
        match running.join_next().await {
            None => return Ok(()),
            Some(Err(error)) => carrier.gap(GapKind::Crl, "a CRL", with_sources(&error)),
            Some(Ok(deltas)) => {
                for (delta, whose) in deltas? {
                    if known.contains(&delta) {
                        continue;
                    }
                    if known.len() >= limits::EVIDENCE_FILES {
                        let why = format!("no verifier reads more than {} CRLs", limits::EVIDENCE_FILES);
                        carrier.gap(GapKind::Crl, &delta, why);
                        continue;
                    }
                    known.insert(delta.clone());
                    waiting.push((delta, whose));
                }
            }
        }
    }
}

/// Fetches one CRL, and gives the URLs of its deltas.
async fn fetch_crl(carrier: &Carrier, url: String, whose: &str) -> Result<Vec<String>, StagingError> {
    let fetched = carrier.registries.published(&url, limits::CRL_BYTES).await;
    let read = fetched.map_err(|error| with_sources(&error)).and_then(|bytes| {
        PublishedCrl::parse(&bytes).map(|crl| (bytes, crl)).map_err(|error| with_sources(&error))
    });
    let (bytes, crl) = match read {
        Ok(read) => read,
        Err(why) => {
            carrier.gap(GapKind::Crl, &url, format!("{why}; {whose} names it"));
            return Ok(Vec::new());
        }
    };
    let file = carrier.staging.add_crl(&url, &bytes)?;
    let mut deltas = if crl.is_delta { Vec::new() } else { crl.delta_urls };
    if deltas.len() > limits::DELTA_URLS {
        let why =
            format!("it names {}, and {} are fetched", count(deltas.len(), "delta"), limits::DELTA_URLS);
        carrier.gap(GapKind::Crl, &url, why);
        deltas.truncate(limits::DELTA_URLS);
    }
    carrier.content().crls.push(CarriedCrl {
        file,
        url: url.clone(),
        issuer: crl.issuer,
        delta: crl.is_delta,
        this_update: crl.this_update,
        next_update: crl.next_update,
    });
    carrier.say(FetchEvent::Crl { url });
    Ok(deltas)
}
