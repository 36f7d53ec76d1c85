//! Routes are named once, and become either the router or its description. What describes them is
//! large: no part of it is in a program that only wants the router.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::App;

/// All handlers of one path.
pub(crate) struct Route<D> {
    pub(crate) path: String,
    pub(crate) methods: MethodRouter<Arc<App>>,
    pub(crate) describe: D,
}

/// What routes become.
pub(crate) trait Routes: Default {
    fn with<D: FnOnce() -> UtoipaMethodRouter<Arc<App>>>(self, route: Route<D>) -> Self;

    fn merge(self, other: Self) -> Self;
}

impl Routes for Router<Arc<App>> {
    fn with<D: FnOnce() -> UtoipaMethodRouter<Arc<App>>>(self, route: Route<D>) -> Self {
        self.route(&route.path, route.methods)
    }

    fn merge(self, other: Self) -> Self {
        Self::merge(self, other)
    }
}

impl Routes for OpenApiRouter<Arc<App>> {
    fn with<D: FnOnce() -> UtoipaMethodRouter<Arc<App>>>(self, route: Route<D>) -> Self {
        self.routes((route.describe)())
    }

    fn merge(self, other: Self) -> Self {
        Self::merge(self, other)
    }
}

/// The [`Route`] of handlers that `utoipa::path` describes, all at the same path. A handler of
/// another module is named by its last name; import it together with its `__path_…`.
macro_rules! route {
    ($first:ident $(, $handler:ident)* $(,)?) => {
        utoipa_axum::paste! {{
            use utoipa::Path as _;
            use utoipa_axum::PathItemExt as _;
            let methods = axum::routing::MethodRouter::new();
            let methods = route!(@on methods, $first);
            $(let methods = route!(@on methods, $handler);)*
            $crate::rest::routes::Route {
                path: [<__path_ $first>]::path(),
                methods,
                describe: || utoipa_axum::routes!($first $(, $handler)*),
            }
        }}
    };
    (@on $methods:ident, $handler:ident) => {
        utoipa_axum::paste! {
            [<__path_ $handler>]::methods()
                .iter()
                .fold($methods, |methods, method| methods.on(method.to_method_filter(), $handler))
        }
    };
}
pub(crate) use route;
