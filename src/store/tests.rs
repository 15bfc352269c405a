//! The store as a whole: databases of earlier releases, crashes at every write, a disk that is full.

mod crash_points;
mod released;
mod scenario;
