import PMSystem
import PMWire

/// What importing a file into the ledger would do.
struct KeyImport {
  private(set) var puts: [KeyDetails] = []
  private(set) var report = CoreControl.ImportReport()

  /// Computes it; nothing is changed. A key of file or environment that the import names with the
  /// same secret is adopted.
  init(_ reading: KeyFileReading, into keys: KeyTable, _ register: KeyRegister, at time: WallTime) {
    report.notices = reading.notices.map(Self.remark)
    report.unknownMembers = reading.unknownMembers.sorted()
    var refused = reading.refused
    for entry in reading.entries {
      if let reason = Self.conflict(entry, keys) {
        refused.append(KeyFileRemark(position: entry.position, id: entry.id, reason: reason))
        continue
      }
      guard let old = keys.record(entry.id)?.details else {
        if keys.count + report.new >= KeyTable.keysMax {
          refused.append(KeyFileRemark(position: entry.position, id: entry.id, reason: .tooMany))
          continue
        }
        report.new += 1
        puts.append(
          entry.details(row: register.row(for: entry.id), source: .store, old: nil, at: time))
        continue
      }
      var details = entry.details(row: old.row, source: .store, old: old, at: time)
      (details.secrets, details.rotatedAt) = (old.secrets, old.rotatedAt)
      // What was revoked stays so until it is enabled by its id, however old the file is.
      if !old.isUsable, old.revokedAt != nil {
        (details.isEnabled, details.revokedAt) = (false, old.revokedAt)
      }
      if details == old {
        report.equal += 1
      } else {
        report.changed += 1
        puts.append(details)
      }
    }
    report.refused = refused.sorted { $0.position < $1.position }.map(Self.remark)
  }

  private static func conflict(_ entry: KeyFileEntry, _ keys: KeyTable) -> KeyFileReason? {
    let holder = keys.holder(of: entry.digest)
    if let holder, holder.id != entry.id { return .secretInUse }
    if holder == nil, keys.record(entry.id) != nil { return .idInUse }
    return nil
  }

  private static func remark(_ remark: KeyFileRemark) -> CoreControl.ImportReport.Remark {
    .init(position: remark.position, keyID: remark.id, reason: remark.reason.word)
  }

  mutating func markApplied() { report.isApplied = true }
}
