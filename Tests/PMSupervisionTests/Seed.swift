import PMSystem

/// The seed named by `PM_SEED`, to look at one run.
func seedInEnvironment() -> UInt64? {
  Environment.value("PM_SEED").flatMap { UInt64($0) }
}
