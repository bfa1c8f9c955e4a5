//! Requests, in the words of messages and of roles.

/// A request, in the words of messages: `patch pods demo-dc1-rack1-0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The verb of roles.
    pub(crate) verb: &'static str,
    /// The resource.
    pub(crate) resource: Kind,
    /// The object, if it is one.
    pub(crate) name: Option<String>,
}

/// The resources the plugin uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pods,
    PodExec,
    PodLog,
    Clusters,
    Secrets,
    StatefulSets,
    Claims,
    Services,
    EndpointSlices,
    Budgets,
    ConfigMaps,
    Deployments,
    Definitions,
    Namespaces,
    Accounts,
    AccessReviews,
    Leases,
    Events,
    Roles,
    RoleBindings,
    ClusterRoles,
    ClusterRoleBindings,
    ServerVersion,
    TasksOfClusters,
    TasksOfDatacenters,
    Schedules,
}

impl Kind {
    /// Its name without its group.
    pub(super) fn name(self) -> &'static str {
        let resource = self.resource();
        resource.split_once('.').map_or(resource, |(name, _)| name)
    }

    /// As `kubectl auth can-i` takes it.
    pub(super) const fn resource(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::PodExec => "pods/exec",
            Self::PodLog => "pods/log",
            Self::Clusters => "cassandraclusters.db.orange.com",
            Self::Secrets => "secrets",
            Self::StatefulSets => "statefulsets.apps",
            Self::Claims => "persistentvolumeclaims",
            Self::Services => "services",
            Self::EndpointSlices => "endpointslices.discovery.k8s.io",
            Self::Budgets => "poddisruptionbudgets.policy",
            Self::ConfigMaps => "configmaps",
            Self::Deployments => "deployments.apps",
            Self::Definitions => "customresourcedefinitions.apiextensions.k8s.io",
            Self::Namespaces => "namespaces",
            Self::Accounts => "serviceaccounts",
            Self::AccessReviews => "selfsubjectaccessreviews.authorization.k8s.io",
            Self::Leases => "leases.coordination.k8s.io",
            Self::Events => "events",
            Self::Roles => "roles.rbac.authorization.k8s.io",
            Self::RoleBindings => "rolebindings.rbac.authorization.k8s.io",
            Self::ClusterRoles => "clusterroles.rbac.authorization.k8s.io",
            Self::ClusterRoleBindings => "clusterrolebindings.rbac.authorization.k8s.io",
            Self::ServerVersion => "version",
            Self::TasksOfClusters => "k8ssandratasks.control.k8ssandra.io",
            Self::TasksOfDatacenters => "cassandratasks.control.k8ssandra.io",
            Self::Schedules => "scheduledtasks.control.k8ssandra.io",
        }
    }
}
