import PMCrypto
import PMSystem
import PMWire

/// A change of anything but requests. The loop computes it whole from its tables, which are the
/// truth while the process runs, and puts it in force when it is on disk.
enum LedgerChange: Sendable {
  /// Writes a key as it is now, secrets included; new or not.
  case putKey(KeyDetails)
  /// Wipes what names the holder; the bare id stays, because requests refer to it.
  case deleteKey(row: Int64, at: WallTime)
  /// Nil returns to the configuration.
  case putSetting(CoreControl.Setting, Int64?)
  case putMark(LedgerMark, [UInt8])
  case addModel(row: Int32, name: String)
  case addPrice(PriceRow)
  case addPriceTable(row: Int32, digest: Digest256, since: WallTime)
  /// Writes an alarm as it is now.
  case putAlarm(RaisedAlarm)
  case dropAlarm(row: Int64)
  case putOffer(Offer)
  case audit(AuditEntry)
}

/// Changes that are written together or not at all.
struct ChangeSet: Sendable {
  /// Names the set in its completion.
  let number: UInt64
  let changes: [LedgerChange]
}

/// Who changed what, and why.
struct AuditEntry: Equatable, Sendable {
  var at: WallTime
  /// The role of the caller, or the part of core that acted.
  var actor: String
  var uid: UInt32
  var action: String
  var target: String? = nil
  var reason: String? = nil
  /// New values of members that are no secrets, as JSON.
  var changes: String? = nil
  /// SHA-256 of the target's canonical JSON before and after; nil where there was or is none.
  var before: Digest256? = nil
  var after: Digest256? = nil
}
