import Glibc

/// The seed named by `PM_SEED`, to look at one run.
func seedInEnvironment() -> UInt64? {
  guard let text = unsafe getenv("PM_SEED") else { return nil }
  return unsafe UInt64(String(cString: text))
}
