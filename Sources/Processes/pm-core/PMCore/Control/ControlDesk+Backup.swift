import PMWire

extension ControlDesk {
  /// Makes a backup once it is on record that one was asked for; the answer is the file.
  func makeBackup(
    _ body: [UInt8], _ caller: Caller, _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    let order = try CoreControl.BackupOrder(body: body)
    let isLined = line.enter { [unowned self] in
      if backups.isRunning {
        reply(.error(409, "backup_running", "A backup is being made already."))
        return nil
      }
      return ChangeLine.Change(changes: [caller.audit("backup", nil, order.reason)]) { done in
        guard done else { return reply(.ledgerUnavailable) }
        let secret = Array(order.passphrase.utf8)
        self.backups.begin(passphrase: secret, heads: self.ledger.heads) { result in
          switch result {
          case .success(let stream): reply(ControlResponse(200, .stream(stream)))
          case .failure(let fault): reply(.failure(fault))
          }
        }
      }
    }
    if !isLined { reply(.busy) }
  }
}

extension ControlResponse {
  fileprivate static func failure(_ fault: BackupFault) -> ControlResponse {
    let message = "No backup was made: \(fault.text)."
    return switch fault {
    case .noSpace: .error(507, "no_space", message)
    case .store, .damagedLedger: .error(503, "ledger_unavailable", message)
    default: .error(500, "backup_failed", message)
    }
  }
}
