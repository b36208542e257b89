import PMCrypto
import PMJSON
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

private func digester() throws -> SecretDigester {
  let pepper = [UInt8](repeating: 7, count: 32)
  return try SecretDigester(pepper: pepper.span)
}

private func read(_ text: String) throws -> KeyFileReading? {
  KeyFileReading(Array(text.utf8), digester: try digester())
}

private func one(_ entry: String) throws -> (entry: KeyFileEntry?, reason: KeyFileReason?) {
  let reading = try #require(try read("{\"keys\": [\(entry)]}"))
  return (reading.entries.first, reading.refused.first?.reason)
}

private func digest(_ secret: String) throws -> Digest256 {
  try digester().digest(of: Array(secret.utf8).span)
}

struct KeyFileTests {
  @Test("Both shapes and mixtures of them")
  func shapes() throws {
    let secret = "pm_this-is-a-secret-of-some-length"
    let hash = try SHA256().digest(of: Array(secret.utf8).span).hex.uppercased()
    let reading = try #require(
      try read(
        """
        {"keys": [
          {"key_id": "team", "api_key": "a-plaintext-of-good-length", "name": "Team",
           "created_at": "2025-03-01T09:30:00Z", "expires_at": null, "rate_limit": null,
           "enabled": true},
          {"key_id": "key_1a2b3c4d", "key_hash": "\(hash)", "description": "n8n",
           "created_at": 1741000000.25, "expires_at": 1743592000.25, "rate_limit": 50,
           "enabled": false, "revoked_at": 1742000000.5, "rotated_to": "key_5e6f7a8b"},
          {"key": "by-hand", "description": "by hand", "colour": "green"}
        ]}
        """))
    #expect(reading.refused == [] && reading.entries.count == 3)
    let (team, n8n, hand) = (reading.entries[0], reading.entries[1], reading.entries[2])
    #expect(team.id == "team" && team.description == "Team" && team.isEnabled && !team.isWeak)
    #expect(team.createdAt == WallTime(seconds: 1_740_821_400) && team.expiresAt == nil)
    #expect(n8n.digest == (try digest(secret)))
    #expect(n8n.createdAt == WallTime(microseconds: 1_741_000_000_250_000))
    #expect(n8n.expiresAt == WallTime(microseconds: 1_743_592_000_250_000))
    #expect(n8n.rateLimit == 50 && !n8n.isEnabled && n8n.rotatedTo == "key_5e6f7a8b")
    #expect(n8n.revokedAt == WallTime(microseconds: 1_742_000_000_500_000))
    // Without an id: the first eight digits of the SHA-256.
    #expect(hand.id == String(try SHA256().digest(of: Array("by-hand".utf8).span).hex.prefix(8)))
    #expect(hand.isWeak && reading.notices.map(\.reason) == [.weakSecret])
    #expect(reading.unknownMembers == ["colour"])
  }

  @Test("Members that say none, in all the ways")
  func none() throws {
    let entry = try one(
      #"{"key": "a-plaintext-of-good-length", "expires_at": 0, "rate_limit": null, "name": null}"#
    ).entry
    #expect(entry?.expiresAt == nil && entry?.rateLimit == nil && entry?.description == "")
    #expect(entry?.isEnabled == true && entry?.createdAt == nil)
    let date = try one(#"{"key": "a-plaintext-of-good-length", "expires_at": "2026-01-01"}"#).entry
    #expect(date?.expiresAt == WallTime(seconds: 1_767_225_600))
  }

  @Test("A limit below one never worked: the key comes in switched off, with a notice")
  func zeroLimit() throws {
    let reading = try #require(
      try read(#"{"keys": [{"key": "a-plaintext-of-good-length", "rate_limit": 0}]}"#))
    #expect(reading.entries.first?.isEnabled == false && reading.entries.first?.rateLimit == nil)
    #expect(reading.notices.map(\.reason) == [.rateLimitBelowOne])
  }

  @Test("Refusals name their cause")
  func refusals() throws {
    let good = #""key": "a-plaintext-of-good-length""#
    let cases: [(String, KeyFileReason)] = [
      ("5", .notAnObject), ("{}", .noSecret), (#"{"key": ""}"#, .noSecret),
      (#"{"key": "one-plaintext-of-it", "api_key": "other-plaintext"}"#, .secretsDisagree),
      (#"{"key_hash": "12"}"#, .badHash),
      (#"{"key": "your-secure-api-key-here"}"#, .exampleSecret),
      ("{\"key\": \"\(String(repeating: "x", count: 513))\"}", .secretTooLong),
      ("{\(good), \"key_id\": \"a/b\"}", .badID), ("{\(good), \"key_id\": \"..\"}", .badID),
      ("{\(good), \"key_id\": 5}", .badID),
      ("{\(good), \"description\": \"a\\nb\"}", .badDescription),
      ("{\(good), \"expires_at\": \"tomorrow\"}", .badTime(member: "expires_at")),
      ("{\(good), \"created_at\": -1}", .badTime(member: "created_at")),
      ("{\(good), \"expires_at\": 1e300}", .badTime(member: "expires_at")),
      ("{\(good), \"rate_limit\": 1.5}", .badRateLimit),
      ("{\(good), \"rate_limit\": \"5\"}", .badRateLimit),
      ("{\(good), \"enabled\": 1}", .badEnabled), ("{\(good), \"enabled\": null}", .badEnabled),
      ("{\(good), \"rotated_to\": \"a b\"}", .badLink),
    ]
    for (text, reason) in cases {
      let (entry, refusal) = try one(text)
      #expect(entry == nil && refusal == reason, "\(text)")
    }
  }

  @Test("Equal twins collapse; others with one id or one secret are both refused")
  func twins() throws {
    let a = #"{"key_id": "a", "key": "a-plaintext-of-good-length"}"#
    let equal = try #require(try read("{\"keys\": [\(a), \(a)]}"))
    #expect(equal.entries.count == 1 && equal.refused.isEmpty)
    let sameID = #"{"key_id": "a", "key": "b-plaintext-of-good-length"}"#
    let ids = try #require(try read("{\"keys\": [\(a), \(sameID)]}"))
    #expect(ids.entries.isEmpty)
    #expect(ids.refused.map(\.reason) == [.duplicateID(of: 1), .duplicateID(of: 0)])
    let sameSecret = #"{"key_id": "b", "key": "a-plaintext-of-good-length"}"#
    let secrets = try #require(try read("{\"keys\": [\(a), \(sameSecret)]}"))
    #expect(secrets.refused.map(\.reason) == [.duplicateSecret(of: 1), .duplicateSecret(of: 0)])
  }

  @Test("What is no keys file is none")
  func noFile() throws {
    for text in ["", "[", "[1]", "{}", "{\"keys\": 5}", "null"] {
      #expect(try read(text) == nil, "\(text)")
    }
    #expect(try read("{\"keys\": []}")?.entries == [])
  }
}

/// The watched file, on the bench.
struct KeysFileTests {
  private let first = "first-plaintext-of-good-length"
  private let second = "second-plaintext-of-good-length"

  private func file(_ secrets: [(id: String, secret: String)]) -> String {
    let entries = secrets.map { "{\"key_id\": \"\($0.id)\", \"key\": \"\($0.secret)\"}" }
    return "{\"keys\": [\(entries.joined(separator: ","))]}"
  }

  @Test("A changed file is in force within a second, and survives a restart")
  func reload() throws {
    let scratch = try Scratch()
    try scratch.write(file([("a", first)]), to: "keys.json")
    let bench = try Bench(scratch, keysFile: "keys.json")
    bench.turn(until: { bench.check(first).word == "valid a" })
    try scratch.write(file([("b", second)]), to: "keys.json")
    let written = Instant.now()
    bench.turn(until: { bench.check(second).word == "valid b" })
    #expect(Instant.now().millisecondsSince(written) < 1000)
    #expect(bench.check(first).word == "unknown")
    // The last good set is in the ledger: it counts before the file is read again.
    let after = try Bench(bench.scratch.image())
    #expect(after.check(second).word == "valid b" && after.check(first).word == "unknown")
  }

  @Test("An invalid file changes nothing and is told of; mended, it counts again")
  func invalid() throws {
    let scratch = try Scratch()
    try scratch.write(file([("a", first)]), to: "keys.json")
    let bench = try Bench(scratch, keysFile: "keys.json")
    bench.turn(until: { bench.check(first).word == "valid a" })
    try scratch.write("{\"keys\": [", to: "keys.json")
    func state() -> JSONValue? { bench.ask("GET", "/status").json["keys_file"]?["state"] }
    bench.turn(until: { state() == "refused" })
    #expect(bench.check(first).word == "valid a")
    try scratch.write("{\"keys\": [{\"key\": \"changeme\"}, {}]}", to: "keys.json")
    bench.turn(until: {
      bench.ask("GET", "/status").json["keys_file"]?["refused"]?.array?.count == 2
    })
    #expect(bench.check(first).word == "valid a")
    try scratch.write(file([("b", second)]), to: "keys.json")
    bench.turn(until: { state() == "loaded" })
    bench.turn(until: { bench.check(second).word == "valid b" })
    #expect(bench.check(first).word == "unknown")
  }

  @Test("A file that is gone for longer than allowed switches its keys off, and no others")
  func gone() throws {
    let scratch = try Scratch()
    try scratch.write(file([("a", first)]), to: "keys.json")
    let bench = try Bench(scratch, keysFile: "keys.json")
    bench.turn(until: { bench.check(first).word == "valid a" })
    let own = bench.ask("POST", "/keys", ["description": "own"]).json["key"]?.string ?? ""
    scratch.remove("keys.json")
    bench.turn(milliseconds: 2000)
    #expect(bench.check(first).word == "valid a")
    bench.turn(until: { bench.check(first).word == "disabled a" })
    #expect(bench.check(own).word.hasPrefix("valid"))
    #expect(bench.ask("GET", "/status").json["keys_file"]?["state"] == "gone")
    try scratch.write(file([("a", first)]), to: "keys.json")
    bench.turn(until: { bench.check(first).word == "valid a" })
  }

  @Test("Revoked here, a key of the file stays revoked until it is lifted here")
  func barred() throws {
    let scratch = try Scratch()
    try scratch.write(file([("a", first)]), to: "keys.json")
    let bench = try Bench(scratch, keysFile: "keys.json")
    bench.turn(until: { bench.check(first).word == "valid a" })
    #expect(bench.ask("POST", "/keys/a/revoke").status == 200)
    #expect(bench.check(first).word == "disabled a")
    try scratch.write(file([("b", second)]), to: "keys.json")
    bench.turn(until: { bench.check(second).word == "valid b" })
    try scratch.write(file([("a", first), ("b", second)]), to: "keys.json")
    bench.turn(until: { bench.check(first).word == "disabled a" })
    // Answered when it is on disk, and so is what was before it.
    #expect(bench.ask("PUT", "/settings", [:]).status == 200)
    #expect(try Bench(bench.scratch.image()).check(first).word == "disabled a")
    #expect(bench.ask("POST", "/keys/a/enable").status == 200)
    #expect(bench.check(first).word == "valid a")
    // Its members are edited in the file, until it is adopted.
    #expect(bench.ask("PATCH", "/keys/a", ["rate_limit": 5]).errorCode == "kept_in_file")
    #expect(bench.ask("POST", "/keys/a/rotate").errorCode == "kept_in_file")
    #expect(bench.ask("POST", "/keys/a/adopt").json["source"] == "store")
    #expect(bench.ask("PATCH", "/keys/a", ["rate_limit": 5]).json["rate_limit"] == 5)
    try scratch.write(file([]), to: "keys.json")
    bench.turn(until: { bench.check(second).word == "unknown" })
    #expect(bench.check(first).word == "valid a")
  }

  @Test("Keys of the variable add to the file's and go off when they leave it")
  func environment() throws {
    let scratch = try Scratch()
    try scratch.write("\(first), ,\(second)", to: Accounts.environmentKeysName)
    try scratch.write(file([("a", first)]), to: "keys.json")
    let bench = try Bench(scratch, keysFile: "keys.json")
    #expect(bench.check(second).word == "valid env_key_2")
    // A key that the file holds too keeps the file's entry.
    bench.turn(until: { bench.check(first).word == "valid a" })
    try scratch.write(file([]), to: "keys.json")
    bench.turn(until: { bench.check(first).word == "valid env_key_0" })
    try scratch.write(second, to: Accounts.environmentKeysName)
    let after = try Bench(bench.scratch.image())
    #expect(after.check(second).word == "valid env_key_0")
    #expect(after.check(first).word == "unknown")
  }
}
