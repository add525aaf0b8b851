//! The way of a call: what it asks for, through the gate, and carried out.

use super::Sandbox;
use crate::sandbox::disk::OpenError;
use crate::sandbox::failure::Failure;
use crate::sandbox::fault::{Call, Outcome};
use crate::sandbox::gate::{Refused, Served};
use crate::sandbox::request::{guessed_protocol, read, request_id};
use crate::sandbox::service::{Act, Answer, Operation, Service, View};
use crate::sandbox::store::{Millis, Scope};
use crate::sandbox::wire::auth;
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::reply;
use crate::sandbox::{Lost, SERVICES, ec2, law};
use bytes::Bytes;
use std::sync::Arc;

/// What a request turned out to ask for.
struct Asked {
    service: &'static Service,
    operation: &'static Operation,
    /// The input, or why the law refuses it.
    params: Result<Params, Failure>,
    scope: Scope,
}

impl Sandbox {
    /// Takes one HTTP request to any AWS service and answers it. Never completes for calls that
    /// a fault leaves without an answer.
    ///
    /// # Errors
    ///
    /// [`Lost`] where a fault breaks the connection.
    pub async fn handle(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, Lost> {
        let mut response = self.respond(request).await?;
        // The world's time, which clients may take for AWS's: no server in front replaces it.
        let date = Millis::of(self.inner.clock.now()).http_date();
        if let Ok(date) = http::HeaderValue::from_str(&date) {
            response.headers_mut().insert(http::header::DATE, date);
        }
        Ok(response)
    }

    async fn respond(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Lost> {
        if self.inner.gate.is_stopped() {
            return std::future::pending().await;
        }
        let arrived = Millis::of(self.inner.clock.now());
        let asked = match self.understand(request) {
            Ok(asked) => asked,
            Err(response) => return Ok(*response),
        };
        let call = Call {
            n: 0,
            time: arrived.0,
            service: asked.service.name.to_owned(),
            operation: asked.operation.name.to_owned(),
            region: asked.scope.region.clone(),
            mutating: asked.operation.is_mutating(),
            outcome: Outcome::Open,
        };
        let arrived = Arrived { sandbox: self, asked, at: arrived };
        self.inner.gate.pass(self.inner.clock, call, &arrived).await
    }

    /// Finds out what a request asks for; what can't be understood is answered here.
    fn understand(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<Asked, Box<http::Response<Bytes>>> {
        let (parts, body) = request.into_parts();
        let refused = |protocol, xmlns, failure: &Failure| {
            Box::new(reply::failure(protocol, xmlns, failure, &request_id(0, Millis(0))))
        };
        let signed = auth::signed(&parts)
            .map_err(|failure| refused(guessed_protocol(&parts), "", &failure))?;
        let Some(service) = SERVICES.iter().find(|service| service.name == signed.service) else {
            let message = format!("The sandbox does not model the service {:?}.", signed.service);
            let failure = Failure::new("UnknownService", message).with_status(501);
            return Err(refused(guessed_protocol(&parts), "", &failure));
        };
        let (operation, params) = read(service, http::Request::from_parts(parts, body))
            .map_err(|failure| refused(service.protocol, service.xmlns, &failure))?;
        Ok(Asked { service, operation, params, scope: self.scope(signed) })
    }

    fn answer(&self, n: u64, asked: &Asked, request_id: &str) -> http::Response<Bytes> {
        match self.act(asked) {
            Ok(reply) => {
                self.inner.gate.outcome(n, Outcome::Done);
                reply::success(asked.service, asked.operation.name, reply, request_id)
            }
            Err(failure) => self.refuse(n, asked, &failure, request_id),
        }
    }

    fn refuse(
        &self,
        n: u64,
        asked: &Asked,
        failure: &Failure,
        request_id: &str,
    ) -> http::Response<Bytes> {
        let mut failure = failure.clone();
        if failure.status == 400 {
            let law = law::of(asked.service, asked.operation.name);
            let modelled = law.and_then(|law| law.statuses.get(&failure.code));
            failure.status = modelled.copied().unwrap_or(400);
        }
        let outcome = Outcome::Refused { status: failure.status, code: failure.code.clone() };
        self.inner.gate.outcome(n, outcome);
        reply::failure(asked.service.protocol, asked.service.xmlns, &failure, request_id)
    }

    /// Carries a call out.
    fn act(&self, asked: &Asked) -> Answer {
        let (lag, fresh_ids_not_found) = {
            let board = self.inner.gate.board();
            (board.faults().lag, board.faults().fresh_ids_not_found)
        };
        let params = asked.params.as_ref().map_err(Clone::clone)?;
        // Before the world is locked: who answers asks the world itself.
        let answering = match asked.operation.name {
            "DescribeTargetHealth" => {
                self.answering(&asked.scope, params.text("TargetGroupArn").unwrap_or_default())
            }
            _ => None,
        };
        let mut world = self.world();
        let world = &mut *world;
        let known = world.store.clone();
        let lock = match &mut world.disk {
            Some(disk) => Some(disk.lock(&mut world.store).map_err(|error| broken(&error))?),
            None => None,
        };
        let now = Millis::of(self.inner.clock.now()).max(world.store.last_time);
        if !lag.is_zero() && !Arc::ptr_eq(&known, &world.store) {
            // Another process has written: what it did lags like what is done here.
            let store = world.store.clone();
            world.history.push_back((now, store));
        }
        if world.store.is_due(&asked.scope, now) {
            Arc::make_mut(&mut world.store).settle(&asked.scope, now);
        }
        let before = world.store.clone();
        let answer = match asked.operation.act {
            Act::Read(act) => {
                let (store, now) = world.seen_by_reads(&asked.scope, now, lag);
                let view = View {
                    store: &store,
                    scope: &asked.scope,
                    now,
                    knobs: &world.knobs,
                    answering: answering.as_ref(),
                };
                act(&view, params)
            }
            Act::Write(act) => {
                if fresh_ids_not_found {
                    let (store, _) = world.seen_by_reads(&asked.scope, now, lag);
                    ec2::none_is_fresh(params.tree(), &world.store, &store, &asked.scope)
                        .map_err(|failure| asked.service.about_ec2(failure))?;
                }
                world.write(act, (params, &asked.scope), now, lag)
            }
        };
        if asked.operation.is_mutating()
            && answer.is_ok()
            && let (Some(disk), Some(lock)) = (&mut world.disk, &lock)
            && let Err(error) = disk.write(Arc::make_mut(&mut world.store), lock)
        {
            world.store = before;
            return Err(broken(&error));
        }
        answer
    }
}

/// A call, as far as it has come.
struct Arrived<'a> {
    sandbox: &'a Sandbox,
    asked: Asked,
    at: Millis,
}

impl Served for Arrived<'_> {
    type Answer = http::Response<Bytes>;

    fn act(&self, n: u64) -> http::Response<Bytes> {
        self.sandbox.answer(n, &self.asked, &request_id(n, self.at))
    }

    fn refuse(&self, n: u64, why: &Refused) -> http::Response<Bytes> {
        let failure = match why {
            Refused::Throttled => {
                let (status, code) = self.asked.service.throttling;
                Failure::new(code, "Request limit exceeded.").with_status(status)
            }
            Refused::Internal => {
                Failure::new("InternalError", "An internal error has occurred").with_status(500)
            }
            Refused::With { status, code, message } => {
                Failure::new(code.clone(), message.clone()).with_status(*status)
            }
        };
        self.sandbox.refuse(n, &self.asked, &failure, &request_id(n, self.at))
    }

    fn content(&self) -> String {
        self.asked.params.as_ref().map(|params| params.tree().to_string()).unwrap_or_default()
    }

    fn is_success(answer: &http::Response<Bytes>) -> bool {
        answer.status().is_success()
    }
}

fn broken(error: &OpenError) -> Failure {
    Failure::new("InternalError", format!("The sandbox can't keep its state: {error}"))
        .with_status(500)
}
