//! The budgets that the project sets itself, and whether a measurement keeps to one.

use std::fmt;
use std::time::Duration;

/// What can be measured of one thing; also the limits on it. What is `None` was not measured, or is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Amounts {
    /// From the request to its end.
    pub(crate) time: Option<Duration>,
    /// Requests to the API server.
    pub(crate) requests: Option<usize>,
    /// Questions to Cassandra nodes.
    pub(crate) calls: Option<usize>,
    /// Anonymous resident memory in bytes.
    pub(crate) memory: Option<u64>,
    /// Processor time.
    pub(crate) processor: Option<Duration>,
    /// The time as a multiple of the control's.
    pub(crate) times_control: Option<f64>,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Budget {
    /// What is done.
    pub(crate) what: &'static str,
    /// What CassKop needed for it.
    pub(crate) casskop: &'static str,
    /// What it may take.
    pub(crate) limits: Amounts,
}

/// What was measured for one line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// What it took.
    pub(crate) amounts: Amounts,
    /// What the control took.
    pub(crate) control: Option<Duration>,
}

/// Whether a budget is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    Exceeded,
}

const fn seconds(count: u64) -> Amounts {
    Amounts {
        time: Some(Duration::from_secs(count)),
        ..UNLIMITED
    }
}

const fn megabytes(count: u64) -> Amounts {
    Amounts {
        memory: Some(count * MEGABYTE),
        ..UNLIMITED
    }
}

const MEGABYTE: u64 = 1_000_000;
const UNLIMITED: Amounts = Amounts {
    time: None,
    requests: None,
    calls: None,
    memory: None,
    processor: None,
    times_control: None,
};

pub(crate) const FORM: Budget = Budget {
    what: "form 6 racks of 1",
    casskop: "13 s, 232 requests",
    limits: Amounts {
        requests: Some(80),
        ..seconds(2)
    },
};
pub(crate) const RESTART: Budget = Budget {
    what: "rolling restart of a rack of 2",
    casskop: "25 s",
    limits: seconds(2),
};
pub(crate) const CONFIG_MAP: Budget = Budget {
    what: "new ConfigMap, rack of 2",
    casskop: "24 s",
    limits: seconds(2),
};
pub(crate) const NODE_MORE: Budget = Budget {
    what: "one node more",
    casskop: "25 s",
    limits: seconds(3),
};
pub(crate) const NODE_FEWER: Budget = Budget {
    what: "one node fewer (decommission 1 s)",
    casskop: "25 s",
    limits: seconds(3),
};
pub(crate) const CLEANUP: Budget = Budget {
    what: "cleanup of 2 pods (1 s each)",
    casskop: "15 s",
    limits: seconds(3),
};
pub(crate) const ADD_DATACENTER: Budget = Budget {
    what: "add a DC",
    casskop: "46 s",
    limits: seconds(3),
};
pub(crate) const EMPTY_DATACENTER: Budget = Budget {
    what: "empty a DC",
    casskop: "71 s",
    limits: seconds(3),
};
pub(crate) const IDLE: Budget = Budget {
    what: "idle cluster, besides watches and lease",
    casskop: "2 calls every 5 s",
    limits: Amounts {
        requests: Some(0),
        calls: Some(0),
        ..UNLIMITED
    },
};
pub(crate) const MEMORY_OF_ONE: Budget = Budget {
    what: "memory, 1 cluster",
    casskop: "52 MB",
    limits: megabytes(15),
};
pub(crate) const FLEET: Budget = Budget {
    what: "form 100 clusters of 3 racks",
    casskop: "136 s, 102 MB",
    limits: Amounts {
        time: Some(Duration::from_secs(20)),
        ..megabytes(40)
    },
};
pub(crate) const FLEET_CONFIG_MAP: Budget = Budget {
    what: "new ConfigMap, 100 clusters of 3 racks",
    casskop: "not measured",
    limits: FLEET.limits,
};
pub(crate) const START_UP: Budget = Budget {
    what: "plugin start (--help)",
    casskop: "190 ms (Python)",
    limits: Amounts {
        time: Some(Duration::from_millis(10)),
        times_control: Some(1.0 / 3.0),
        ..UNLIMITED
    },
};
pub(crate) const MANY_PODS: Budget = Budget {
    what: "plugin, one request on 300 pods",
    casskop: "130 ms a pod",
    limits: Amounts {
        // One list of the clusters, one of the pods, and a patch for each pod.
        requests: Some(302),
        ..seconds(1)
    },
};

impl Outcome {
    /// What something took, and what the control did.
    pub(crate) fn measured(amounts: Amounts, control: Option<Duration>) -> Self {
        let times_control = amounts
            .time
            .zip(control)
            .map(|(time, control)| time.div_duration_f64(control));
        Self {
            amounts: Amounts {
                times_control,
                ..amounts
            },
            control,
        }
    }

    /// Whether it keeps to the budget. A limit on what was not measured is not kept.
    pub(crate) fn verdict(&self, budget: &Budget) -> Verdict {
        let amounts = &self.amounts;
        let limits = &budget.limits;
        let kept = within(amounts.time, limits.time)
            && within(amounts.requests, limits.requests)
            && within(amounts.calls, limits.calls)
            && within(amounts.memory, limits.memory)
            && within(amounts.processor, limits.processor)
            && within(amounts.times_control, limits.times_control);
        if kept { Verdict::Kept } else { Verdict::Exceeded }
    }
}

fn within<T: PartialOrd>(amount: Option<T>, limit: Option<T>) -> bool {
    match (amount, limit) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(amount), Some(limit)) => amount <= limit,
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept",
            Self::Exceeded => "EXCEEDED",
        })
    }
}

impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.time.map(readable),
            self.requests.map(|count| format!("{count} requests")),
            self.calls.map(|count| format!("{count} calls")),
            self.memory.map(readable_memory),
            self.processor
                .map(|time| format!("{} of a processor", readable(time))),
            self.times_control.map(|times| format!("{times:.2} x control")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

/// Milliseconds below a tenth of a second, seconds above.
pub(crate) fn readable(time: Duration) -> String {
    if time < Duration::from_millis(100) {
        return format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    }
    format!("{:.2} s", time.as_secs_f64())
}

/// Tenths of a megabyte, rounded up: a budget is not kept by rounding.
fn readable_memory(bytes: u64) -> String {
    let tenths = bytes.div_ceil(MEGABYTE / 10);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(millis: u64, control: u64) -> Outcome {
        let amounts = Amounts {
            time: Some(Duration::from_millis(millis)),
            ..UNLIMITED
        };
        Outcome::measured(amounts, Some(Duration::from_millis(control)))
    }

    #[test]
    fn a_budget_is_kept_up_to_its_limit() {
        assert_eq!(took(2000, 900).verdict(&RESTART), Verdict::Kept);
        assert_eq!(took(2001, 900).verdict(&RESTART), Verdict::Exceeded);
    }

    #[test]
    fn every_limit_counts() {
        assert_eq!(took(9, 30).verdict(&START_UP), Verdict::Kept);
        assert_eq!(
            took(9, 26).verdict(&START_UP),
            Verdict::Exceeded,
            "of its control"
        );
        let without_control = Outcome::measured(
            Amounts {
                time: Some(Duration::from_millis(9)),
                ..UNLIMITED
            },
            None,
        );
        assert_eq!(without_control.verdict(&START_UP), Verdict::Exceeded);
    }

    #[test]
    fn what_is_limited_has_to_be_measured() {
        assert_eq!(
            took(1000, 1000).verdict(&FORM),
            Verdict::Exceeded,
            "requests were not counted"
        );
        let counted = Amounts {
            requests: Some(0),
            calls: Some(0),
            ..UNLIMITED
        };
        assert_eq!(Outcome::measured(counted, None).verdict(&IDLE), Verdict::Kept);
        let asks = Amounts {
            calls: Some(1),
            ..counted
        };
        assert_eq!(Outcome::measured(asks, None).verdict(&IDLE), Verdict::Exceeded);
    }

    #[test]
    fn amounts_read_as_they_are_said() {
        assert_eq!(FORM.limits.to_string(), "2.00 s, 80 requests");
        assert_eq!(START_UP.limits.to_string(), "10.0 ms, 0.33 x control");
        assert_eq!(MEMORY_OF_ONE.limits.to_string(), "15.0 MB");
        assert_eq!(readable_memory(15 * MEGABYTE + 1), "15.1 MB");
    }
}
