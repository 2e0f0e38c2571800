//! What happened to devices: which were lost, and what went wrong on the one that is up.
use std::cell::RefCell;
use std::collections::HashMap;

use crate::error::{Error, Kind, Result};

thread_local! {
    /// What went wrong on the GPU and was not told yet.
    static FAULTS: RefCell<Vec<Error>> = const { RefCell::new(Vec::new()) };
    /// Why devices were lost, by device.
    static LOST: RefCell<HashMap<u32, String>> = RefCell::default();
}

/// Whether a device was lost.
pub(super) fn is_lost(device: u32) -> bool {
    LOST.with_borrow(|lost| lost.contains_key(&device))
}

/// Notes that a device is gone, and why.
pub fn set_lost(device: u32, why: String) {
    LOST.with_borrow_mut(|lost| {
        lost.entry(device).or_insert(why);
    });
}

/// Notes an error that the GPU reported, for the next await.
pub fn set_fault(error: Error) {
    FAULTS.with_borrow_mut(|faults| faults.push(error));
}

/// The first error that was reported since the last call.
pub fn take_fault() -> Result<()> {
    let first = FAULTS.with_borrow_mut(|faults| faults.drain(..).next());
    first.map_or(Ok(()), Err)
}

pub(super) fn lost(why: &str) -> Error {
    Error::new(
        Kind::DeviceLost,
        format!(
            "the GPU device was lost ({why}); tensors on it are gone. Bring a new one up with useDevice(\"webgpu\"), \
             or go on on \"cpu\""
        ),
    )
}

/// An error if a device is gone.
pub fn check_device(device: u32) -> Result<()> {
    LOST.with_borrow(|gone| gone.get(&device).map_or(Ok(()), |why| Err(lost(why))))
}
