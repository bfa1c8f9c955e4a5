//! What goes out: the JSON of one Jolokia request.

use serde_json::{Value, json};

/// One Jolokia request: an attribute read or an operation invoked on an MBean.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Reads one attribute.
    Read {
        /// Object name of the MBean.
        mbean: &'static str,
        /// Attribute, as JMX spells it.
        attribute: &'static str,
    },
    /// Invokes one operation.
    Exec {
        /// Object name of the MBean.
        mbean: &'static str,
        /// Operation with its full signature: Jolokia refuses an overloaded operation named without one,
        /// and which operations are overloaded differs between Cassandra versions.
        operation: &'static str,
        /// Arguments, in order.
        arguments: Vec<Value>,
    },
}

impl Request {
    /// The body Jolokia expects in a POST.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Read { mbean, attribute } => {
                json!({"type": "read", "mbean": mbean, "attribute": attribute})
            }
            Self::Exec {
                mbean,
                operation,
                arguments,
            } => {
                json!({"type": "exec", "mbean": mbean, "operation": operation, "arguments": arguments})
            }
        }
    }

    /// The attribute or the bare operation, for messages: `OperationMode`, `forceKeyspaceCleanup`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Read { attribute, .. } => attribute,
            Self::Exec { operation, .. } => operation.split('(').next().unwrap_or(operation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_named_without_its_signature() {
        let request = Request::Exec {
            mbean: "m",
            operation: "drain()",
            arguments: vec![],
        };
        assert_eq!(request.name(), "drain");
        assert_eq!(
            request.to_json(),
            json!({"type": "exec", "mbean": "m", "operation": "drain()", "arguments": []})
        );
    }
}
