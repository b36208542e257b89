import PMCrypto
import PMJSON
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

struct ReceiptTests {
  // MARK: Form

  @Test func theWordsOfReceiptsAreThoseOfReports() {
    #expect(ReceiptForm.states == RequestState.allCases.map(\.word))
    #expect(ReceiptForm.sources == Usage.Source.allCases.map(\.word))
    #expect(ReceiptForm.flags == Usage.Flags.words.map(\.1))
    for (bit, (flag, _)) in Usage.Flags.words.enumerated() {
      #expect(flag.rawValue == 1 << UInt32(bit))
    }
  }

  /// A row of a settled chat, with other values for some columns.
  private func row(_ changes: JSONObject = [:]) -> JSONObject {
    var row: JSONObject = [
      "row": 7, "id": "0190a5d2-7c3e-7abc-8def-0123456789ab", "key": 1, "model": 1, "route": 0,
      "state": 1, "reserved_nano_euro": 900, "reserved_tokens": nil, "price": 3, "price_table": 1,
      "fresh_tokens": 10, "cached_tokens": 0, "output_tokens": 100, "audio_milliseconds": 0,
      "audio_bytes": 0, "cost_nano_euro": 205, "usage_source": 1, "flags": 0, "status": 200,
      "first_byte_milliseconds": nil, "total_milliseconds": 12,
    ]
    for member in changes.members { row[member.name] = member.value }
    return row
  }
  private let tariff = Tariff(
    input: 500, output: 2000, cached: nil, perMinute: nil, perMegabyte: nil)

  @Test func aRowInWords() throws {
    let members = try #require(ReceiptForm.statement(of: row(["flags": 0b10010])))
    #expect(members["route"] == "chat" && members["state"] == "settled")
    #expect(members["usage"]?["flags"] == ["partial", "cut"])
    #expect(members["usage"]?["source"] == "upstream")
    #expect(ReceiptForm.statement(of: row(["flags": 512])) == nil)
    #expect(ReceiptForm.statement(of: row(["route": 200])) == nil)
    #expect(ReceiptForm.statement(of: row(["state": 4])) == nil)
    #expect(ReceiptForm.statement(of: row(["usage_source": 4])) == nil)
    #expect(ReceiptForm.statement(of: row(["id": "x"])) == nil)
  }

  @Test(
    arguments: [
      (["cost_nano_euro": 205], true), (["cost_nano_euro": 204], false),
      (["cost_nano_euro": 206], false), (["cost_nano_euro": nil], false),
      // Cut at a budget: the reservation, if that is less.
      (["cost_nano_euro": 90, "reserved_nano_euro": 90, "flags": 16], true),
      (["cost_nano_euro": 90, "reserved_nano_euro": 90], false),
      (["cost_nano_euro": 80, "reserved_nano_euro": 90, "flags": 16], false),
      (["cost_nano_euro": 300, "reserved_nano_euro": 300, "flags": 16], false),
      (["state": 2, "cost_nano_euro": 0], true), (["state": 2, "cost_nano_euro": 205], false),
      (["state": 3, "cost_nano_euro": 900], true), (["state": 3, "cost_nano_euro": 205], false),
      (["state": 0], false), (["fresh_tokens": nil], false),
      // A class without a price.
      (["audio_milliseconds": 1, "cost_nano_euro": nil], true),
      (["audio_milliseconds": 1], false),
    ] as [(JSONObject, Bool)])
  func whatARowMustCost(_ changes: JSONObject, _ isRight: Bool) {
    #expect(ReceiptForm.isCharged(row(changes), by: tariff) == isRight)
  }

  @Test func withoutAPriceOnlyNothingIsFree() {
    let nothing: JSONObject = ["fresh_tokens": 0, "output_tokens": 0]
    var free = nothing
    free["cost_nano_euro"] = 0
    #expect(ReceiptForm.isCharged(row(free), by: nil))
    #expect(ReceiptForm.isCharged(row(["cost_nano_euro": nil]), by: nil))
    #expect(!ReceiptForm.isCharged(row(["cost_nano_euro": 0]), by: nil))
    let huge: JSONObject = ["output_tokens": .integer(.max), "cost_nano_euro": 900]
    #expect(ReceiptForm.isCharged(row(huge), by: tariff))
  }

  @Test func aTariffIsReadAsItIsWritten() {
    #expect(Tariff(tariff.json) == tariff)
    var spoilt = tariff.json
    spoilt["input"] = "1"
    #expect(Tariff(spoilt) == nil)
    spoilt["input"] = nil
    #expect(Tariff(spoilt) == nil)
  }

  @Test func aDocumentHasOneForm() throws {
    let document = ReceiptDocument(["b": 1, "a": ["d": 2, "c": []]], publicKey: "k", signature: "s")
    let text = #"{"public_key":"k","receipt":{"a":{"c":[],"d":2},"b":1},"signature":"s"}"#
    #expect(document.bytes == Array(text.utf8))
    #expect(ReceiptDocument(document.bytes) == document)
    #expect(ReceiptDocument(document.bytes + [0x0A]) == document)
    #expect(ReceiptDocument(document.bytes + [0x0A, 0x0A]) == nil)
    #expect(ReceiptDocument([0x20] + document.bytes) == nil)
    #expect(ReceiptDocument(Array(#"{"receipt":{},"public_key":"k","signature":"s"}"#.utf8)) == nil)
    #expect(document.signedBytes.starts(with: Array("privatemode receipt 1\n".utf8)))
  }

  // MARK: Contents

  private let start = Instant(nanoseconds: 1_000_000_000)
  private func id(_ number: Int) -> RequestID { RequestID(UInt128(number + 1)) }

  private func keep(_ number: Int, in digests: ContentDigests, at now: Instant) throws {
    let digest = try #require(digests.begin())
    digest.endRequest()
    digests.end(digest, of: id(number), hasRow: true, at: now)
  }

  @Test func theDigestIsThatOfTheWholeInAnySplit() throws {
    let digests = ContentDigests()
    let (request, answer) = (Array("what is asked".utf8), Array("what is said".utf8))
    for split in 0...request.count {
      let digest = try #require(digests.begin())
      digest.update(request.span.extracting(0..<split))
      digest.update(request.span.extracting(split..<request.count))
      digest.endRequest()
      for byte in answer { digest.update([byte].span) }
      digests.end(digest, of: id(split), hasRow: true, at: start)
      let entry = try #require(digests.entry(of: id(split), at: start))
      let salt = (0..<16).map { entry.salt[$0] }
      #expect(entry.request == Digest256(hashing: (salt + request).span))
      #expect(entry.response == Digest256(hashing: (salt + answer).span))
    }
  }

  @Test func whatHasNoRowIsNotKept() throws {
    let digests = ContentDigests()
    let refused = try #require(digests.begin())
    refused.update([1, 2, 3].span)
    digests.end(refused, of: id(0), hasRow: true, at: start)
    let free = try #require(digests.begin())
    free.endRequest()
    digests.end(free, of: id(1), hasRow: false, at: start)
    #expect(digests.entry(of: id(0), at: start) == nil)
    #expect(digests.entry(of: id(1), at: start) == nil)
    // The context that was left in the middle begins anew.
    let next = try #require(digests.begin())
    next.endRequest()
    let salt = (0..<16).map { next.salt[$0] }
    #expect(next.request == Digest256(hashing: salt.span))
  }

  @Test func theOldestMakesRoomForTheNewest() throws {
    let digests = ContentDigests()
    let most = ContentDigests.entriesMax
    for number in 0..<most { try keep(number, in: digests, at: start) }
    #expect(digests.entry(of: id(0), at: start) != nil)
    try keep(most, in: digests, at: start)
    #expect(digests.entry(of: id(0), at: start) == nil)
    #expect(digests.entry(of: id(1), at: start) != nil)
    for number in most + 1..<3 * most { try keep(number, in: digests, at: start) }
    #expect(digests.entry(of: id(2 * most - 1), at: start) == nil)
    for number in 2 * most..<3 * most { #expect(digests.entry(of: id(number), at: start) != nil) }
  }

  @Test func afterAQuarterOfAnHourNothingIsLeft() throws {
    let digests = ContentDigests()
    try keep(0, in: digests, at: start)
    try keep(1, in: digests, at: start.adding(seconds: 10))
    let end = start.adding(seconds: ContentDigests.secondsMax)
    #expect(digests.forget(at: start) == end)
    #expect(digests.entry(of: id(0), at: start.adding(seconds: 899)) != nil)
    #expect(digests.forget(at: end) == end.adding(seconds: 10))
    #expect(digests.entry(of: id(0), at: end) == nil)
    #expect(digests.entry(of: id(1), at: end) != nil)
    #expect(digests.forget(at: end.adding(seconds: 10)) == nil)
    #expect(digests.entry(of: id(1), at: end) == nil)
    try keep(2, in: digests, at: end)
    #expect(digests.entry(of: id(2), at: end) != nil)
  }

  // MARK: The key

  @Test func theKeyIsMadeOnceAndReadByItsOwnerOnly() throws {
    let scratch = try Scratch()
    let first = try ReceiptKey.load(stateDirectory: scratch.path)
    #expect(try ReceiptKey.load(stateDirectory: scratch.path).publicKey == first.publicKey)
    let path = scratch.file(ReceiptKey.fileName)
    let seed = try FileIO.read(path, bytesMax: 64)
    #expect(try Ed25519Key(seed: seed.span).publicKey == first.publicKey)
    func refusal(_ bytes: [UInt8], _ mode: UInt32) throws -> SystemError? {
      try FileIO.replace(path, with: bytes, mode: mode)
      do throws(SystemError) {
        _ = try ReceiptKey.load(stateDirectory: scratch.path)
        return nil
      } catch { return error }
    }
    #expect(try refusal(seed, 0o600) == nil)
    #expect(try refusal(seed, 0o640)?.call == .chmod)
    #expect(try refusal(Array(seed.dropLast()), 0o600)?.call == .malformed)
    #expect(try refusal(seed + [0], 0o600)?.call == .tooLong)
  }

  @Test func withoutALedgerTheHeadsAreNull() throws {
    let scratch = try Scratch()
    var configuration = Configuration()
    configuration.stateDirectory = scratch.path
    let key = try ReceiptKey.load(stateDirectory: scratch.path).publicKey.hex
    let line = try CoreDescription.line(configuration)
    #expect(line == #"{"heads":{"audit":null,"ledger":null},"receipt_key":"\#(key)"}"# + "\n")
  }
}
