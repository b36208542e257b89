import PMLog
import PMStore
import PMSystem

/// Why a backup could not be made, or is not restored.
enum BackupFault: Error, Equatable {
  // What the file says before it is opened.
  case notABackup
  case unknownVersion
  case wrongPassphrase
  // What is wrong with its frames; the number is that of the frame.
  case truncated(frame: UInt32)
  case outOfOrder(frame: UInt32)
  case altered(frame: UInt32)
  case longer
  // What is wrong with its contents, all of which are genuine.
  case unknownContents
  case newerSchema(found: Int, known: Int)
  case digestDiffers(BackupPart)
  case damagedLedger
  case foreignLedger
  /// The keys of the ledger are under another pepper than the one beside it.
  case pepperMismatch
  case brokenChain
  // The machine.
  case noSpace
  /// Another process has the ledger open.
  case ledgerInUse
  case store(code: Int32)
  case system(SystemError)
  case crypto
}

extension StoreError {
  /// SQLITE_FULL: no room on the disk.
  static let full = StoreError.failed(code: 13)
}

extension BackupFault {
  init(_ error: StoreError) {
    switch error {
    case .damaged: self = .damagedLedger
    case .foreign: self = .foreignLedger
    case .newerSchema(let found, let known): self = .newerSchema(found: found, known: known)
    case .failed(let code): self = error == .full ? .noSpace : .store(code: code)
    }
  }

  /// The reason in the log.
  var word: StaticWord {
    switch self {
    case .noSpace: "no-space"
    case .store, .damagedLedger, .foreignLedger, .newerSchema: "ledger"
    default: "system"
    }
  }

  /// One English sentence for the administrator's terminal.
  var text: String {
    switch self {
    case .notABackup: "this is no backup of the appliance"
    case .unknownVersion: "the form of this backup is newer than this program, or damaged"
    case .wrongPassphrase: "the passphrase is wrong, or the head of the backup was altered"
    case .truncated(let frame): "the backup is cut off at frame \(frame)"
    case .outOfOrder(let frame): "the backup is not in order at frame \(frame)"
    case .altered(let frame): "the backup was altered at frame \(frame)"
    case .longer: "there is something behind the end of the backup"
    case .unknownContents: "the backup holds what this program does not know"
    case .newerSchema(let found, let known):
      "the ledger in the backup has schema \(found), and this program knows up to \(known); "
        + "restore it with a newer version"
    case .digestDiffers(let part): "\(part.rawValue) in the backup is not what its manifest says"
    case .damagedLedger: "the ledger is damaged"
    case .foreignLedger: "the file in the backup is not a ledger of the appliance"
    case .pepperMismatch: "the keys in the backup are under another pepper than the one beside them"
    case .brokenChain: "the rows of the ledger in the backup do not fit their chain"
    case .noSpace: "the disk has no room for a copy of the ledger"
    case .ledgerInUse: "another process uses the ledger that is there"
    case .store(let code): "the ledger cannot be read or copied (SQLite's code \(code))"
    case .system(let error): "\(error.call.rawValue) failed (errno \(error.number))"
    case .crypto: "the library has no memory or no such cipher"
    }
  }
}
