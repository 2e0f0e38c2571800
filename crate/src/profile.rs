//! How long each operation takes on the CPU, while somebody asks.
use std::cell::{Cell, RefCell};

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static EVENTS: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
}

/// An operation that ran: its name, and its start and length in milliseconds.
pub type Event = (&'static str, f64, f64);

/// Notes operations until [`stop`].
pub fn start() {
    EVENTS.take();
    ON.set(true);
}

pub fn stop() -> Vec<Event> {
    ON.set(false);
    EVENTS.take()
}

/// Runs `f`, the loops of an operation.
pub fn timed<R>(name: &'static str, f: impl FnOnce() -> R) -> R {
    if !ON.get() {
        return f();
    }
    let start = now();
    let result = f();
    EVENTS.with_borrow_mut(|events| events.push((name, start, now() - start)));
    result
}

#[cfg(target_arch = "wasm32")]
fn now() -> f64 {
    use wasm_bindgen::prelude::*;
    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_namespace = performance, js_name = now)]
        fn performance_now() -> f64;
    }
    performance_now()
}

#[cfg(not(target_arch = "wasm32"))]
fn now() -> f64 {
    0.0
}
