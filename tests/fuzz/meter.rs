//! Counts the memory that a thread holds, and the most it held. Knows nothing of what it is needed for.
#![expect(unsafe_code, reason = "an allocator cannot be written otherwise; it only counts, and hands on")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// No input may make a thread hold more: it ends the process, with the input on the disk, instead of filling the machine.
const MOST: usize = 1 << 30;

thread_local! {
    // Nothing here allocates or needs to be dropped, so both can be used at any time in the life of a thread.
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The allocator of this test.
pub(crate) struct Meter;

#[global_allocator]
static METER: Meter = Meter;

fn grow(bytes: usize) -> bool {
    let held = HELD.get().saturating_add(bytes);
    if held > MOST {
        return false;
    }
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
    true
}

fn shrink(bytes: usize) {
    // What another thread has allocated may be freed here.
    HELD.set(HELD.get().saturating_sub(bytes));
}

// SAFETY: every call is handed on to the system's allocator with the same arguments; a refusal is a null pointer.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !grow(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promises are the same as the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: as above; the pointer comes from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !grow(size) {
            return std::ptr::null_mut();
        }
        shrink(layout.size());
        // SAFETY: as above; the pointer comes from the system's allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Runs something and returns how much more memory this thread held meanwhile, at most, than before.
pub(crate) fn peak<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = run();
    (result, PEAK.get().saturating_sub(before))
}
