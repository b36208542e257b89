/// The bytes by which a production appliance recognises the stand-in and refuses it, pinned or not.
///
/// They are scanned for in the file and never printed. `runStandIn` reads them once, so the linker
/// keeps them.
let standInMarker: StaticString =
  "PRIVATEMODE-STANDIN-DO-NOT-TRUST 6f1d0c52-8e0b-4b7e-9a57-3f6c2d41b8e9"
