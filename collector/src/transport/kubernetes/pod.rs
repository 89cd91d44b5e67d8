//! Follows the pod of a job to its end, and reads its log.

use std::time::Duration;

use assay_report::frame::{FrameError, Reader};
use assay_report::{Outcome, PodVisit};
use assay_verifier::limits::REPORT_BYTES;
use futures_util::{AsyncReadExt as _, StreamExt as _};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{LogParams, ObjectMeta, PostParams, WatchEvent, WatchParams};
use tokio::time::{Instant, sleep, timeout};

use super::api::{ApiError, Cluster, call};
use super::job::CONTAINER;
use super::labels::Label;
use super::nodes;
use super::progress::{Ended, Progress, agent, changed, deleted, progress};
use crate::clean;
use crate::transport::failure::Failure;
use crate::transport::host::{Ran, RunEnd};

/// How long a watch may last before it is begun anew. A link that is dead shows nothing else.
const WATCH: Duration = Duration::from_secs(20);

/// How long the job controller may take to make the pod before it is asked what is in its way.
const NO_POD: Duration = Duration::from_secs(5);

/// How long a pod may take to start: its image may come over a slow link.
const START: Duration = Duration::from_secs(300);

/// How long the API server may be away while a pod runs.
const AWAY: Duration = Duration::from_secs(60);

/// Bytes of a log that are read: a report of [`REPORT_BYTES`] in base64, with as much beside it.
const LOG_BYTES: usize = REPORT_BYTES * 3;

/// How often a log is read that ends too early: the API server may have been stopped meanwhile.
const READS: usize = 3;

/// A pod that is followed.
pub(super) struct Follower<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) job: &'a Job,
    pub(super) node: &'a str,
    /// How long the agent may run.
    pub(super) limit: Duration,
    /// How long its report may take to arrive.
    pub(super) gather: Duration,
    /// What is known of the pod.
    pub(super) visit: &'a mut PodVisit,
    /// Seconds that the node's clock is ahead, as far as the pod's times show it.
    pub(super) clock_skew: &'a mut Option<i64>,
}

/// How a pod that was followed came to its end.
enum End {
    Ended(Ended),
    TimedOut,
}

impl Follower<'_> {
    /// Follows the pod to its end and brings its report.
    pub(super) async fn run(mut self) -> Result<Ran, Failure> {
        let began = crate::clock::now();
        let ended = match self.follow().await? {
            End::Ended(ended) => ended,
            End::TimedOut => {
                let complaint = format!("it did not end within {} s", self.limit.as_secs());
                return Ok(Ran { end: RunEnd::TimedOut, report: Vec::new(), complaint });
            }
        };
        *self.clock_skew =
            ended.times.map(|times| skew(times, began.seconds(), crate::clock::now().seconds()));
        self.report(ended).await
    }

    /// Waits until the container has ended.
    async fn follow(&mut self) -> Result<End, Failure> {
        let begun = Instant::now();
        let (mut started, mut last_answer) = (None::<Instant>, Instant::now());
        let mut waiting = None::<String>;
        let mut asked_why = false;
        loop {
            match self.watch_once(&mut started, &mut waiting).await {
                Ok(Some(ended)) => return Ok(End::Ended(ended)),
                Ok(None) => last_answer = Instant::now(),
                Err(Broken::Ended(failure)) => return Err(failure),
                Err(Broken::Api(error)) if !error.may_pass() && !error.expired() => {
                    return Err(failure(&error));
                }
                Err(Broken::Api(error)) => {
                    if last_answer.elapsed() > AWAY {
                        return Err(Failure { lost: true, ..failure(&error) });
                    }
                    sleep(Duration::from_millis(500)).await;
                }
            }
            if let Some(started) = started {
                if started.elapsed() > self.limit {
                    return Ok(End::TimedOut);
                }
            } else if waiting.is_none() && begun.elapsed() > NO_POD && !asked_why {
                self.ask_why_there_is_no_pod().await?;
                asked_why = begun.elapsed() > NO_POD * 4;
            }
            if begun.elapsed() > NO_POD {
                self.look_at_the_node(last_answer).await?;
            }
            if started.is_none() && begun.elapsed() > START {
                let state = waiting.as_deref().unwrap_or("the job has no pod");
                return Err(Failure::new(
                    Outcome::TimedOut,
                    format!("the pod did not start within {} s: {}", START.as_secs(), clean::message(state)),
                    "see whether containerd's paths on the node are those of store in the site file, and what keeps the node busy",
                ));
            }
        }
    }

    /// Watches the pod for a while. Returns how its container ended, once it has.
    async fn watch_once(
        &mut self,
        started: &mut Option<Instant>,
        waiting: &mut Option<String>,
    ) -> Result<Option<Ended>, Broken> {
        let what = "watching the pod";
        let api = self.cluster.api::<Pod>();
        let label = Label::Job(self.job.name_any()).selector();
        // without a version it begins with what is there
        let params =
            WatchParams::default().labels(&label).disable_bookmarks().timeout(WATCH.as_secs() as u32);
        let period = if waiting.is_none() && started.is_none() { NO_POD } else { WATCH };
        let opened = timeout(WATCH, api.watch(&params, "0")).await;
        let broken = |error: &kube::Error| Broken::Api(ApiError::new(what, error));
        let stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(broken(&error)),
            Err(_) => return Err(Broken::Api(ApiError::silent(what))),
        };
        let mut stream = std::pin::pin!(stream);
        let until = Instant::now() + period;
        while let Ok(event) = tokio::time::timeout_at(until, stream.next()).await {
            match event {
                None => return Ok(None),
                Some(Err(error)) => return Err(broken(&error)),
                Some(Ok(WatchEvent::Error(status))) => {
                    return Err(broken(&kube::Error::Api(status)));
                }
                Some(Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod))) => {
                    self.see(&pod);
                    if let Some(failure) = changed(&pod, self.node, &self.visit.image) {
                        return Err(Broken::Ended(failure));
                    }
                    match progress(&pod) {
                        Progress::Waiting { reason } => *waiting = Some(reason),
                        Progress::Running => {
                            started.get_or_insert_with(Instant::now);
                        }
                        // What ends because its pod is deleted has not ended by itself.
                        Progress::Ended(_) if pod.metadata.deletion_timestamp.is_some() => {
                            return Err(Broken::Ended(self.why_it_was_deleted(&pod).await));
                        }
                        Progress::Ended(ended) => return Ok(Some(ended)),
                        Progress::Failed(failure) => return Err(Broken::Ended(failure)),
                    }
                }
                Some(Ok(WatchEvent::Deleted(pod))) => {
                    self.see(&pod);
                    return Err(Broken::Ended(self.why_it_was_deleted(&pod).await));
                }
                Some(Ok(WatchEvent::Bookmark(_))) => {}
            }
        }
        Ok(None)
    }

    /// Records what the row says of the pod.
    fn see(&mut self, pod: &Pod) {
        self.visit.pod = Some(pod.name_any());
        if let Some(container) = agent(pod).filter(|container| !container.image_id.is_empty()) {
            self.visit.image_id = Some(clean::name(&container.image_id));
        }
    }

    /// The job controller deletes the pods of a job whose time is over; anyone else may as well.
    async fn why_it_was_deleted(&self, pod: &Pod) -> Failure {
        let api = self.cluster.api::<Job>();
        let name = self.job.name_any();
        let job = call("looking at the job", AWAY, || api.get_opt(&name)).await.ok().flatten();
        let conditions = job.and_then(|job| job.status).and_then(|status| status.conditions);
        let over = conditions.iter().flatten().any(|condition| {
            condition.reason.as_deref() == Some("DeadlineExceeded") && condition.status == "True"
        });
        if over {
            return Failure::new(
                Outcome::TimedOut,
                "the cluster ended the job because its time was over".to_owned(),
                "check what keeps the node busy; --time-limit gives it more time",
            );
        }
        deleted(pod)
    }

    /// Asks the API server what it would say to the pod that the job controller cannot make: only its events tell, and the right to
    /// read them is not needed for anything else.
    async fn ask_why_there_is_no_pod(&self) -> Result<(), Failure> {
        let Some(template) = self.job.spec.as_ref().map(|spec| spec.template.clone()) else { return Ok(()) };
        let pod = Pod {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", self.job.name_any())),
                labels: template.metadata.and_then(|metadata| metadata.labels),
                ..ObjectMeta::default()
            },
            spec: template.spec,
            ..Pod::default()
        };
        let api = self.cluster.api::<Pod>();
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        match call("creating the pod", AWAY, || api.create(&dry_run, &pod)).await {
            Err(error) if error.is_refused() => Err(failure(&error)),
            _ => Ok(()),
        }
    }

    /// A pod on a node that is not ready ends when the node is back, or never.
    async fn look_at_the_node(&self, last_answer: Instant) -> Result<(), Failure> {
        match nodes::look(self.cluster, self.node, AWAY).await {
            Ok(Some(nodes::NodeState { not_ready: None, .. })) => Ok(()),
            Ok(Some(nodes::NodeState { not_ready: Some(why), .. })) => Err(nodes::not_ready(&why)),
            Ok(None) => Err(nodes::no_such_node(self.node)),
            Err(error) if error.may_pass() && last_answer.elapsed() < AWAY => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Reads the report of a container that has ended.
    async fn report(&self, ended: Ended) -> Result<Ran, Failure> {
        let mut tries = 0;
        let log = loop {
            tries += 1;
            let whole = self.read_log(&ended.message).await;
            match whole {
                // what is cut here may be whole there: the API server may have been stopped
                Ok(log) if matches!(log.report, Err(FrameError::Cut)) && tries < READS => {}
                Ok(log) => break log,
                Err(_) if tries < READS => {}
                Err(error) => return Err(failure(&error)),
            }
            sleep(Duration::from_secs(1)).await;
        };
        let words = clean::block(String::from_utf8_lossy(&log.words).trim(), clean::MESSAGE);
        let bad = |error: String| {
            Failure::new(
                Outcome::BadReport,
                error,
                "the report is not used; see whether the node cuts or rotates logs, and whether it can be trusted",
            )
        };
        if ended.reason == "OOMKilled" {
            return Err(Failure::new(
                Outcome::AgentFailed,
                "the agent was killed because its container had too little memory (OOMKilled)".to_owned(),
                "check the report for very many images; the container's limit stands in the job",
            ));
        }
        let exit = u32::try_from(ended.exit).unwrap_or(u32::MAX);
        let complaint =
            if words.is_empty() { format!("exit status {}: {}", ended.exit, ended.reason) } else { words };
        match log.report {
            Ok(report) if u32::from(report.exit) == exit => {
                Ok(Ran { end: RunEnd::Exited(exit), report: report.bytes, complaint })
            }
            Ok(report) => Err(bad(format!(
                "the agent's exit status is {exit}, but its report was printed for {}",
                report.exit
            ))),
            // an agent that judged has printed a report
            Err(error) if error != FrameError::NoFrame || crate::visit::gather::has_judged(exit) => {
                Err(bad(format!("{error}; the agent's own words: {complaint}")))
            }
            Err(_) => Ok(Ran { end: RunEnd::Exited(exit), report: Vec::new(), complaint }),
        }
    }

    /// Reads the log as far as it may go.
    async fn read_log(&self, termination_message: &str) -> Result<assay_report::frame::Log, ApiError> {
        let what = "reading the pod's log";
        let api = self.cluster.api::<Pod>();
        let name = self.visit.pod.as_deref().unwrap_or_default();
        let params = LogParams {
            container: Some(CONTAINER.to_owned()),
            limit_bytes: i64::try_from(LOG_BYTES).ok(),
            ..LogParams::default()
        };
        let broken = |error: std::io::Error| ApiError::new(what, &kube::Error::ReadEvents(error));
        let read = async {
            let mut stream = std::pin::pin!(call(what, AWAY, || api.log_stream(name, &params)).await?);
            let (mut reader, mut bytes) = (Reader::default(), 0);
            let mut buffer = vec![0; 64 << 10];
            loop {
                let read = stream.read(&mut buffer).await.map_err(broken)?;
                bytes += read;
                if read == 0 || bytes > LOG_BYTES {
                    return Ok(reader.finish(termination_message));
                }
                reader.push(buffer.get(..read).unwrap_or_default());
            }
        };
        timeout(self.gather, read).await.unwrap_or_else(|_| Err(ApiError::silent(what)))
    }
}

/// Why a watch ended early.
enum Broken {
    /// The API server does not go on.
    Api(ApiError),
    /// The pod will not come to its end.
    Ended(Failure),
}

/// The row of a call that failed.
pub(super) fn failure(error: &ApiError) -> Failure {
    let (outcome, hint) = error.outcome();
    Failure::new(outcome, error.to_string(), hint)
}

/// How far the node's clock is off at least, if its container ran in between these times of this machine: 0 if it may be right.
fn skew((started, ended): (i64, i64), before: i64, after: i64) -> i64 {
    if started < before {
        // the kubelet cuts fractions of seconds off
        started.saturating_sub(before).saturating_add(1).min(0)
    } else {
        ended.saturating_sub(after).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_may_be_right_is_not_called_wrong() {
        assert_eq!(skew((100, 101), 100, 102), 0);
        assert_eq!(skew((99, 101), 100, 102), 0);
        assert_eq!(skew((100, 102), 100, 102), 0);
        assert_eq!(skew((100, 162), 100, 102), 60);
        assert_eq!(skew((40, 42), 100, 102), -59);
    }
}
