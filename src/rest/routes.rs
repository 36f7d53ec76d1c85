//! Routes that can describe themselves, and do so only when somebody asks for the description:
//! putting it together takes longer than all else that the gateway does at its start.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::App;

/// All handlers of one path.
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) methods: MethodRouter<Arc<App>>,
    pub(crate) describe: fn() -> UtoipaMethodRouter<Arc<App>>,
}

/// Routes, and how to describe them.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Arc<App>>,
    descriptions: Vec<fn() -> UtoipaMethodRouter<Arc<App>>>,
}

impl Routes {
    pub(crate) fn with(mut self, route: Route) -> Self {
        self.descriptions.push(route.describe);
        Self { router: self.router.route(&route.path, route.methods), ..self }
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.descriptions.extend(other.descriptions);
        Self { router: self.router.merge(other.router), ..self }
    }

    pub(crate) fn into_router(self) -> Router<Arc<App>> {
        self.router
    }

    pub(crate) fn describe(&self) -> OpenApi {
        let described = OpenApiRouter::new();
        let described = self.descriptions.iter().fold(described, |all, one| all.routes(one()));
        described.into_openapi()
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
