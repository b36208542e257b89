import PMJSON
import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

struct ControlKeyTests {
  @Test("A key is on disk before its secret is shown, and only its keyed digest is")
  func create() throws {
    let bench = try Bench(Scratch())
    let answer = bench.ask(
      "POST", "/keys", ["description": "n8n", "expires_days": 30, "rate_limit": 5])
    #expect(answer.status == 201)
    let entry = try #require(CoreControl.KeyEntry(answer.json))
    let secret = try #require(entry.secret)
    #expect(secret.hasPrefix("pm_") && secret.utf8.count == 63)
    #expect(
      secret.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
          || $0 == 0x5F || $0 == 0x2D
      })
    #expect(entry.id == "key_\(secret.dropFirst(3).prefix(16))" && entry.limits.requests == 5)
    #expect(entry.description == "n8n" && entry.status == .enabled && entry.source == "store")
    let life = try #require(entry.expiresAt).microseconds - entry.createdAt.microseconds
    #expect(life == 30 * 86_400 * 1_000_000)
    #expect(bench.check(secret).word == "valid \(entry.id)")
    // Killed right after the answer, the key is there; neither it nor its SHA-256 is in any file.
    let image = try bench.scratch.image()
    #expect(try Bench(image).check(secret).word == "valid \(entry.id)")
    for name in image.names {
      let bytes = try FileIO.read(image.file(name), bytesMax: 1 << 24)
      #expect(!bytes.contains(Array(secret.utf8)) && !bytes.contains(Array(secret.utf8.suffix(43))))
    }
    #expect(bench.ask("GET", "/keys/\(entry.id)").json["key"] == nil)
  }

  @Test("100 keys: all secrets and ids distinct; the list has them all and no secret")
  func distinct() throws {
    let bench = try Bench(Scratch())
    var secrets: Set<String> = []
    for _ in 0..<100 { secrets.insert(bench.ask("POST", "/keys").json["key"]?.string ?? "") }
    #expect(secrets.count == 100)
    let list = try #require(bench.ask("GET", "/keys").json["keys"]?.array)
    let ids = Set(list.compactMap { $0["key_id"]?.string })
    #expect(ids.count == 100 && list.allSatisfy { $0["key"] == nil && $0["key_hash"] == nil })
  }

  @Test("Only who has the secret learns that a key is off or expired")
  func states() throws {
    let bench = try Bench(Scratch())
    let entry = try #require(
      CoreControl.KeyEntry(bench.ask("POST", "/keys", ["expires_days": 1]).json))
    let secret = try #require(entry.secret)
    let expiry = try #require(entry.expiresAt)
    #expect(
      bench.check(secret, at: WallTime(microseconds: expiry.microseconds - 1)).word.hasPrefix(
        "valid"))
    #expect(bench.check(secret, at: expiry).word == "expired \(entry.id)")
    var wrong = Array(secret.utf8)
    wrong[62] = wrong[62] == 0x41 ? 0x42 : 0x41
    for other in [
      String(decoding: wrong, as: UTF8.self), "", "pm_", String(repeating: "x", count: 600),
    ] {
      #expect(bench.check(other, at: expiry).word == "unknown")
    }
    let revoked = bench.ask("POST", "/keys/\(entry.id)/revoke", ["reason": "lost"])
    #expect(revoked.json["status"] == "disabled" && revoked.json["revoked_at"] != .null)
    #expect(bench.check(secret).word == "disabled \(entry.id)")
    #expect(try Bench(bench.scratch.image()).check(secret).word == "disabled \(entry.id)")
    #expect(bench.ask("POST", "/keys/\(entry.id)/enable").json["revoked_at"] == .null)
    #expect(bench.check(secret).word == "valid \(entry.id)")
    #expect(bench.ask("DELETE", "/keys/\(entry.id)").status == 204)
    #expect(bench.check(secret).word == "unknown")
    #expect(bench.ask("GET", "/keys/\(entry.id)").status == 404)
  }

  @Test("A deleted key leaves its bare id, and nothing that names its holder")
  func wiped() throws {
    let bench = try Bench(Scratch())
    let id =
      bench.ask("POST", "/keys", ["description": "Ada Lovelace"]).json["key_id"]?.string ?? ""
    _ = bench.ask("DELETE", "/keys/\(id)")
    let reader = try bench.reader()
    let row = try reader.prepare("SELECT id, description FROM key WHERE deleted_at IS NOT NULL")
    #expect(try row.step() && row.text(0) == id && row.text(1) == "")
    #expect(try reader.integer("SELECT count(*) FROM secret") == 0)
    #expect(bench.ask("GET", "/usage?key_id=\(id)").status == 200)
    #expect(bench.ask("GET", "/usage?key_id=never").status == 422)
  }

  @Test("Rotation keeps the id; the old secret closes by itself")
  func rotate() throws {
    let bench = try Bench(Scratch())
    let made = bench.ask("POST", "/keys", ["expires_days": 10]).json
    let (id, old) = (made["key_id"]?.string ?? "", made["key"]?.string ?? "")
    let turned = bench.ask("POST", "/keys/\(id)/rotate", ["overlap_hours": 2])
    let new = try #require(turned.json["key"]?.string)
    #expect(turned.json["key_id"]?.string == id && new != old)
    let now = WallTime.now()
    let later = WallTime(seconds: now.seconds + 2 * 3600 + 5)
    #expect(bench.check(old).word == "valid \(id)" && bench.check(new).word == "valid \(id)")
    #expect(bench.check(old, at: later).word == "expired \(id)")
    #expect(bench.check(new, at: later).word == "valid \(id)")
    // The overlap survives a restart.
    let after = try Bench(bench.scratch.image())
    #expect(
      after.check(old).word == "valid \(id)" && after.check(old, at: later).word == "expired \(id)")
    // At most two secrets live; without overlap only the newest does.
    let third = bench.ask("POST", "/keys/\(id)/rotate").json["key"]?.string ?? ""
    #expect(bench.check(old).word == "unknown" && bench.check(new).word == "unknown")
    #expect(bench.check(third).word == "valid \(id)")
    let life = try #require(
      WallTime(json: bench.ask("GET", "/keys/\(id)").json["expires_at"] ?? .null))
    #expect(abs(life.seconds - now.seconds - 10 * 86_400) < 60)
  }

  @Test("Members change together or not at all, and the answer names the one at fault")
  func change() throws {
    let bench = try Bench(Scratch())
    let id = bench.ask("POST", "/keys").json["key_id"]?.string ?? ""
    let changed = bench.ask(
      "PATCH", "/keys/\(id)",
      ["rate_limit": 7, "description": "new", "expires_at": "2030-01-01T00:00:00Z"])
    #expect(changed.json["rate_limit"] == 7 && changed.json["description"] == "new")
    #expect(changed.json["expires_at"] == .decimal("1893456000.0"))
    let cases: [(JSONValue, String)] = [
      (["rate_limit": 0], "rate_limit"), (["rate_limit": "5"], "rate_limit"),
      (["description": "a\nb"], "description"), (["expires_at": "never"], "expires_at"),
      (["rate_limit": 3, "color": 1], "color"),
    ]
    for (body, member) in cases {
      let refused = bench.ask("PATCH", "/keys/\(id)", body)
      #expect(refused.status == 422 && refused.json["error"]?["param"]?.string == member)
    }
    #expect(bench.ask("PATCH", "/keys/\(id)", bytes: Array("{".utf8)).status == 400)
    #expect(bench.ask("GET", "/keys/\(id)").json["rate_limit"] == 7)
    #expect(bench.ask("PATCH", "/keys/\(id)", ["rate_limit": .null]).json["rate_limit"] == .null)
    #expect(bench.ask("PATCH", "/keys/none", ["rate_limit": 5]).status == 404)
    #expect(bench.ask("POST", "/keys", ["expires_days": 36_501]).status == 422)
  }

  @Test("Every change leaves an audit row that names the key by id only")
  func audit() throws {
    let bench = try Bench(Scratch())
    let made = bench.ask("POST", "/keys", ["reason": "for n8n"]).json
    let (id, secret) = (made["key_id"]?.string ?? "", made["key"]?.string ?? "")
    for verb in ["revoke", "enable", "rotate"] { _ = bench.ask("POST", "/keys/\(id)/\(verb)") }
    _ = bench.ask("PATCH", "/keys/\(id)", ["rate_limit": 3])
    _ = bench.ask("DELETE", "/keys/\(id)")
    let rows = try #require(bench.ask("GET", "/audit").json["audit"]?.array)
    #expect(
      rows.map { $0["action"]?.string } == [
        "delete", "change", "rotate", "enable", "revoke", "create",
      ])
    #expect(rows.allSatisfy { $0["target"]?.string == id && $0["actor"] == "administrator" })
    #expect(rows.last?["reason"] == "for n8n")
    #expect(!JSONValue.array(rows).text.contains(secret))
    // What one change leaves is what the next one finds.
    #expect(rows.first?["after"] == .null && rows.last?["before"] == .null)
    for (later, earlier) in zip(rows, rows.dropFirst()) {
      #expect(later["before"]?.string?.utf8.count == 64 && later["before"] == earlier["after"])
    }
    // A key that was revoked and enabled is the one that it was.
    #expect(Set(rows.compactMap { $0["after"]?.string }).count == 4)
    #expect(rows[3]["before"] != rows[3]["after"] && rows[3]["after"] == rows[5]["after"])
    #expect(
      bench.ask("GET", "/audit?limit=2&before=\(rows[1]["row"]?.text ?? "")").json["audit"]?.array?
        .count == 2)
  }

  @Test("The day of the last use is kept")
  func lastUsed() throws {
    let bench = try Bench(Scratch())
    let made = bench.ask("POST", "/keys").json
    let (id, secret) = (made["key_id"]?.string ?? "", made["key"]?.string ?? "")
    #expect(bench.ask("GET", "/keys/\(id)").json["last_used"] == .null)
    let day = WallTime(seconds: 1_800_000_000)
    for _ in 0..<3 { _ = bench.check(secret, at: day) }
    let uses = bench.accounts.keys.takeUses()
    #expect(uses.count == 1)
    _ = bench.commit(uses.map { .use($0) })
    #expect(bench.ask("GET", "/keys/\(id)").json["last_used"] == "2027-01-15")
    bench.close()
    #expect(
      try Bench(bench.scratch.image()).ask("GET", "/keys/\(id)").json["last_used"] == "2027-01-15")
  }
}

struct ControlImportTests {
  private let file = """
    {"keys": [
      {"key_id": "team", "api_key": "a-plaintext-of-good-length", "name": "Team"},
      {"key_id": "bad", "key": "b-plaintext-of-good-length", "rate_limit": "many"},
      {"key_id": "other", "key": "c-plaintext-of-good-length", "rate_limit": 5}
    ]}
    """

  private func send(_ bench: Bench, _ text: String, _ query: String = "") -> ControlResponse {
    bench.ask("POST", "/keys/import\(query)", bytes: Array(text.utf8))
  }

  @Test("One refusal keeps everything out, unless refused entries are to be skipped")
  func allOrNothing() throws {
    let bench = try Bench(Scratch())
    let refused = send(bench, file)
    let report = try #require(CoreControl.ImportReport(refused.json))
    #expect(refused.status == 409 && !report.isApplied && report.new == 2)
    #expect(
      report.refused == [.init(position: 1, keyID: "bad", reason: "bad_rate_limit")])
    #expect(bench.accounts.keys.count == 0)
    #expect(CoreControl.ImportReport(send(bench, file, "?dry_run=1").json)?.isApplied == false)
    #expect(bench.accounts.keys.count == 0)
    let done = CoreControl.ImportReport(send(bench, file, "?skip_refused=1").json)
    #expect(done?.isApplied == true && done?.new == 2 && bench.accounts.keys.count == 2)
    #expect(bench.check("a-plaintext-of-good-length").word == "valid team")
    #expect(
      try Bench(bench.scratch.image()).check("c-plaintext-of-good-length").word == "valid other")
  }

  @Test("Again with the same file nothing is new; changed members are taken; conflicts refused")
  func again() throws {
    let bench = try Bench(Scratch())
    let first =
      #"{"keys": [{"key_id": "a", "key": "a-plaintext-of-good-length", "created_at": 5}]}"#
    _ = send(bench, first)
    let equal = try #require(CoreControl.ImportReport(send(bench, first).json))
    #expect(equal.new == 0 && equal.equal == 1 && equal.changed == 0 && equal.isApplied)
    let changed = send(
      bench,
      """
      {"keys": [{"key_id": "a", "key": "a-plaintext-of-good-length", "created_at": 5,
        "rate_limit": 9}]}
      """
    )
    #expect(changed.json["changed"] == 1)
    #expect(bench.ask("GET", "/keys/a").json["rate_limit"] == 9)
    let conflicts = send(
      bench,
      """
      {"keys": [{"key_id": "a", "key": "z-plaintext-of-good-length"},
        {"key_id": "b", "key": "a-plaintext-of-good-length"}]}
      """
    )
    #expect(
      CoreControl.ImportReport(conflicts.json)?.refused.map(\.reason)
        == ["key_id_in_use_with_another_secret", "secret_in_use_by_another_key"])
    #expect(send(bench, "[]").status == 422)
  }

  @Test("A key that was revoked is not brought back by the file that it came from")
  func revoked() throws {
    let bench = try Bench(Scratch())
    let text = #"{"keys": [{"key_id": "a", "key": "a-plaintext-of-good-length"}]}"#
    _ = send(bench, text)
    #expect(bench.ask("POST", "/keys/a/revoke").status == 200)
    #expect(send(bench, text).status == 200)
    #expect(bench.check("a-plaintext-of-good-length").word == "disabled a")
    #expect(bench.ask("POST", "/keys/a/enable").status == 200)
    #expect(bench.check("a-plaintext-of-good-length").word == "valid a")
  }

  @Test("A deleted id that comes back goes on with its history")
  func history() throws {
    let bench = try Bench(Scratch())
    let text = #"{"keys": [{"key_id": "a", "key": "a-plaintext-of-good-length"}]}"#
    _ = send(bench, text)
    let row = bench.accounts.keys.record("a")?.row
    _ = bench.ask("DELETE", "/keys/a")
    _ = send(bench, text)
    #expect(bench.accounts.keys.record("a")?.row == row)
    #expect(bench.check("a-plaintext-of-good-length").word == "valid a")
  }
}
