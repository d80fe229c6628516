//! A party that misbehaves, for tests: a transport that alters what its party sends.
//!
//! The engine on top stays honest; the rule of the interceptor is the adversary. It sees every message that its
//! party sends, to whom and at which step, and decides what becomes of it.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    PartyId,
    frame::Frame,
    step::Step,
    transport::{Transport, TransportError},
};

/// What becomes of an intercepted frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is delivered, with whatever the rule altered in it.
    Deliver,
    /// It is lost.
    Drop,
    /// It is delivered twice.
    Duplicate,
}

/// A frame under way.
#[derive(Debug)]
pub struct Intercepted<'a> {
    /// Its receiver.
    pub to: PartyId,
    /// How many frames of the same step went to this receiver before.
    pub occurrence: usize,
    /// The frame; the rule may alter any of it.
    pub frame: &'a mut Frame,
}

impl Intercepted<'_> {
    /// Whether the frame belongs to this step and goes to this receiver.
    #[must_use]
    pub fn is(&self, step: Step, to: PartyId) -> bool {
        self.to == to && self.is_step(step)
    }

    /// Whether the frame belongs to this step.
    #[must_use]
    pub fn is_step(&self, step: Step) -> bool {
        self.frame.step == step.name()
    }
}

type Rule = Box<dyn FnMut(Intercepted<'_>) -> Fate + Send>;

/// A transport whose frames pass through a rule before they are sent.
pub struct Interceptor<T> {
    inner: T,
    state: Mutex<State>,
}

struct State {
    rule: Rule,
    seen: Vec<(String, PartyId)>,
}

impl<T: fmt::Debug> fmt::Debug for Interceptor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interceptor")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<T: Transport> Interceptor<T> {
    /// Puts `rule` between a party and its transport.
    pub fn new(inner: T, rule: impl FnMut(Intercepted<'_>) -> Fate + Send + 'static) -> Self {
        Self {
            inner,
            state: Mutex::new(State {
                rule: Box::new(rule),
                seen: Vec::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn intercept(&self, to: PartyId, frame: &mut Frame) -> Fate {
        let State { rule, seen } = &mut *self.state();
        let occurrence = seen
            .iter()
            .filter(|(step, peer)| *peer == to && *step == frame.step)
            .count();
        seen.push((frame.step.clone(), to));
        rule(Intercepted {
            to,
            occurrence,
            frame,
        })
    }
}

impl<T: Transport> Transport for Interceptor<T> {
    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn me(&self) -> PartyId {
        self.inner.me()
    }

    async fn send(&self, to: PartyId, bytes: Vec<u8>) -> Result<(), TransportError> {
        let Ok(mut frame) = Frame::decode(bytes.clone()) else {
            return self.inner.send(to, bytes).await;
        };
        let fate = self.intercept(to, &mut frame);
        match fate {
            Fate::Deliver => self.inner.send(to, frame.encode()).await,
            Fate::Drop => Ok(()),
            Fate::Duplicate => {
                self.inner.send(to, frame.encode()).await?;
                self.inner.send(to, frame.encode()).await
            }
        }
    }

    fn receive(&self, from: PartyId) -> impl Future<Output = Result<Vec<u8>, TransportError>> + Send {
        self.inner.receive(from)
    }
}
