//! Tells Cargo to embed the web app again when it was built again. Builds nothing itself: `cargo build` needs no Node.

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
}
