/// What can befall the vendor in mid-life.
enum LifeEvent: String, CaseIterable, Sendable {
  case refreshDue = "refresh_due"
  /// The refresh fails once; the next request refreshes lazily and succeeds.
  case refreshFail = "refresh_fail"
  /// The refresh fails, and so does every lazy one until `refresh_release`.
  case refreshFailLasting = "refresh_fail_lasting"
  /// The refresh keeps the lock until `refresh_release`.
  case refreshHang = "refresh_hang"
  case refreshRelease = "refresh_release"
  case manifestUpdate = "manifest_update"
  case keyRevoked = "key_revoked"
  case keyRestored = "key_restored"
}
