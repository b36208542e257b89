import PMCrypto
import PMJSON
import PMSystem
import PMWire

/// A file in a backup, by its name in the state directory.
enum BackupPart: String, CaseIterable, Sendable {
  case ledger = "ledger.sqlite"
  case pepper
  /// Signs receipts; there is none before the first.
  case receiptKey = "receipt.key"

  /// What none of ours is longer than; the ledger has no such bound.
  static let secretBytesMax = 4096
}

/// What a backup holds, as it says itself: the first thing in it.
struct BackupManifest: Equatable, Sendable {
  static let bytesMax = 64 << 10
  private static let version: Int64 = 1

  struct File: Equatable, Sendable {
    var part: BackupPart
    var bytes: Int64
    var digest: Digest256
  }

  var madeAt: WallTime
  /// Steps that the ledger has seen.
  var schema: Int
  /// In the order in which they follow.
  var files: [File]
  /// Rows of the ledger by what they are, for people.
  var counts: [Count]
  /// Links that core had written itself before the copy was made: its rows must lead there. Nil if
  /// the ledger was not open.
  var heads: LedgerHeads?

  struct Count: Equatable, Sendable {
    var name: String
    var rows: Int64
  }

  var bytes: [UInt8] { json.utf8 }

  private var json: JSONValue {
    [
      "backup": .integer(Self.version), "made_at": .string(madeAt.civil.rfc3339),
      "appliance": .string(ApplianceVersion.text), "schema": .integer(Int64(schema)),
      "counts": .object(
        JSONObject(counts.map { JSONObject.Member($0.name, .integer($0.rows)) })),
      "files": .array(
        files.map { file in
          [
            "name": .string(file.part.rawValue), "bytes": .integer(file.bytes),
            "sha256": .string(file.digest.hex),
          ]
        }),
      "heads": heads.map { ["ledger": $0.ledger.json, "audit": $0.audit.json] } ?? .null,
    ]
  }

  init(
    madeAt: WallTime, schema: Int, files: [File], counts: [Count], heads: LedgerHeads?
  ) {
    self.madeAt = madeAt
    self.schema = schema
    self.files = files
    self.counts = counts
    self.heads = heads
  }

  /// Reads one whose bytes are genuine; what is not understood is of a newer program.
  init(reading bytes: [UInt8]) throws(BackupFault) {
    guard let value = try? JSONReader.read(bytes), value["backup"]?.integer == Self.version,
      let madeAt = value["made_at"].flatMap({ WallTime(json: $0) }),
      let schema = value["schema"]?.integer, let list = value["files"]?.array
    else { throw .unknownContents }
    self.madeAt = madeAt
    self.schema = Int(clamping: schema)
    counts = (value["counts"]?.object?.members ?? []).compactMap { member in
      member.value.integer.map { Count(name: member.name, rows: $0) }
    }
    if let told = value["heads"], !told.isNull {
      guard let ledger = ChainHead(told["ledger"]), let audit = ChainHead(told["audit"]) else {
        throw .unknownContents
      }
      heads = LedgerHeads(ledger: ledger, audit: audit)
    }
    files = []
    for entry in list {
      guard let part = entry["name"]?.string.flatMap({ BackupPart(rawValue: $0) }),
        let bytes = entry["bytes"]?.integer, bytes >= 0,
        part == .ledger || bytes <= BackupPart.secretBytesMax,
        let digest = entry["sha256"]?.string.flatMap({ Digest256(hex: $0) }),
        !files.contains(where: { $0.part == part })
      else { throw .unknownContents }
      files.append(File(part: part, bytes: bytes, digest: digest))
    }
    let parts = Set(files.map(\.part))
    guard parts.isSuperset(of: [.ledger, .pepper]) else { throw .unknownContents }
  }
}

extension ChainHead {
  fileprivate var json: JSONValue { ["rows": .integer(rows), "head": .string(head.hex)] }

  fileprivate init?(_ json: JSONValue?) {
    guard let rows = json?["rows"]?.integer,
      let head = json?["head"]?.string.flatMap({ Digest256(hex: $0) })
    else { return nil }
    self.init(rows: rows, head: head)
  }
}
