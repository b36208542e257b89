public import PMJSON
internal import PMSystem

/// The form of a receipt: what core writes, and what `pmctl receipt verify` holds it to. Everything
/// that a receipt says of a request is computed from the row of the ledger that it contains.
public enum ReceiptForm {
  public static let version: Int64 = 1
  /// What is signed begins with this, so that no receipt is a signature of anything else.
  public static let label = "privatemode receipt 1\n"

  // Words for the numbers of a row, by number and by bit.
  public static let states = ["reserved", "settled", "released", "unsettled"]
  public static let sources = ["none", "upstream", "estimate", "reservation"]
  public static let flags = [
    "unknown", "partial", "failed", "client_gone", "cut", "unpriced", "not_sent",
    "cached_above_prompt", "above_reservation",
  ]

  /// The members that say what the row says, for people; nil if it is no row of ours.
  public static func statement(of row: JSONObject) -> JSONObject? {
    guard let id = row["id"]?.string, let request = RequestID(Array(id.utf8).span),
      let route = number(row["route"], below: 256).flatMap({ Route(rawValue: UInt8($0)) }),
      let state = number(row["state"], below: states.count),
      let flags = words(row["flags"])
    else { return nil }
    let source = number(row["usage_source"], below: sources.count)
    guard source != nil || row["usage_source"]?.isNull == true else { return nil }
    return [
      "request_id": .string(id),
      "time": .string(request.time.civil.rfc3339),
      "route": .string("\(route.word)"),
      "state": .string(states[state]),
      "status": row["status"] ?? .null,
      "usage": [
        "fresh_tokens": row["fresh_tokens"] ?? .null,
        "cached_tokens": row["cached_tokens"] ?? .null,
        "output_tokens": row["output_tokens"] ?? .null,
        "audio_milliseconds": row["audio_milliseconds"] ?? .null,
        "audio_bytes": row["audio_bytes"] ?? .null,
        "source": source.map { .string(sources[$0]) } ?? .null,
        "flags": flags,
      ],
      "cost_nano_euro": row["cost_nano_euro"] ?? .null,
    ]
  }

  private static func number(_ value: JSONValue?, below bound: Int) -> Int? {
    guard let number = value?.integer, (0..<Int64(bound)).contains(number) else { return nil }
    return Int(number)
  }

  /// Nil if a bit has no word.
  private static func words(_ value: JSONValue?) -> JSONValue? {
    guard let bits = number(value, below: 1 << flags.count) else { return nil }
    let set = flags.indices.filter { bits >> $0 & 1 == 1 }
    return .array(set.map { .string(flags[$0]) })
  }

  /// True if the row's cost is what the written rules make of its counts under the price.
  public static func isCharged(_ row: JSONObject, by tariff: Tariff?) -> Bool {
    let cost = row["cost_nano_euro"]?.integer
    let reserved = row["reserved_nano_euro"]?.integer
    switch number(row["state"], below: states.count).map({ states[$0] }) {
    case "released": return cost == 0
    case "unsettled": return cost == reserved
    case "settled": break
    default: return false
    }
    guard let counts = counts(of: row), case .array(let flags)? = words(row["flags"]) else {
      return false
    }
    switch tariff?.cost(of: counts) {
    case .nanoEuro(let sum):
      // Who was cut off at a budget pays no more than was reserved.
      return cost == sum || (flags.contains("cut") && sum > cost ?? sum && cost == reserved)
    case .unpriced, nil: return cost == (counts.isNothing ? 0 : nil)
    case .tooLarge: return cost == reserved
    }
  }

  private static func counts(of row: JSONObject) -> Tariff.Counts? {
    guard let fresh = row["fresh_tokens"]?.integer, let cached = row["cached_tokens"]?.integer,
      let output = row["output_tokens"]?.integer,
      let audioMilliseconds = row["audio_milliseconds"]?.integer,
      let audioBytes = row["audio_bytes"]?.integer
    else { return nil }
    return Tariff.Counts(
      fresh: fresh, cached: cached, output: output, audioMilliseconds: audioMilliseconds,
      audioBytes: audioBytes)
  }
}
