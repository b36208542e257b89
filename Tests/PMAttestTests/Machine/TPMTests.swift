import PMCrypto
import Seeded
import Testing
import Vectors

@testable import PMAttest

/// Commands and answers, byte by byte.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct TPMTests {
  private static let index = TPMCommand.reportIndex

  @Test func commandsAreTheRecordedBytes() throws {
    let recorded = Set(
      (try Exchange.recorded("sequence") + Exchange.recorded("answers")).map(\.command))
    let commands: [TPMCommand] = [
      .readPublic(handle: TPMCommand.attestationKey),
      .nvReadPublic(index: Self.index), .nvReadPublic(index: TPMCommand.userDataIndex),
      .nvDefineUserData, .nvRead(index: Self.index, bytes: 1024, offset: 0),
      .nvRead(index: Self.index, bytes: 1024, offset: 1024),
      .nvRead(index: Self.index, bytes: 2048, offset: 0),
      .nvRead(index: Self.index, bytes: 64, offset: 0x7F8),
      .pcrRead(.all), .pcrRead(PCRSelection(bits: 0xFFFF00)),
      .pcrRead(PCRSelection(bits: 0xFF0000)),
      .quote(handle: TPMCommand.attestationKey, extraData: []),
      .quote(
        handle: TPMCommand.attestationKey, extraData: [UInt8](repeating: 0x6E, count: 0x43)),
    ]
    for command in commands {
      #expect(recorded.contains(command.bytes), "\(command)")
      #expect(command.bytes.count <= TPMCommand.bytesMax)
    }
  }

  /// What each response code means, by the recorded answers.
  @Test func refusalsHaveTheirTokens() throws {
    let tokens: [UInt32: FailureToken] = [
      0x18B: .tpmObject, 0x28B: .tpmObject, 0x2D5: .tpmRC, 0x14A: .tpmRC, 0x1C4: .tpmRC,
      0x146: .tpmRC, 0x1D5: .tpmRC, 0x14C: .tpmRC, 0x922: .tpmBusy,
    ]
    var seen: Set<UInt32> = []
    for exchange in try Exchange.recorded("answers") where exchange.answer.count == 10 {
      let code = exchange.answer[6..<10].reduce(0) { $0 << 8 | UInt32($1) }
      let tpm = TPM(ScriptedTPM { _ in exchange.answer }) { _ in }
      let fault = token { () throws(FailureToken) in
        _ = try tpm.run(.readPublic(handle: TPMCommand.attestationKey))
      }
      #expect(fault == tokens[code], "\(exchange.name) \(code)")
      #expect(tpm.code == code)
      seen.insert(code)
    }
    #expect(seen == Set(tokens.keys))
    for code: UInt32 in [0x921, 0x101, 0xFFFF_FFFF] {
      let tpm = TPM(ScriptedTPM { _ in refusal(code) }) { _ in }
      let fault = token { () throws(FailureToken) in _ = try tpm.run(.nvDefineUserData) }
      #expect(fault == .tpmRC)
    }
  }

  // MARK: Repetition

  @Test(arguments: [0x922, 0x908, 0x90A] as [UInt32], [0, 1, 9, 10])
  func aCommandThatIsPutOffIsRepeated(_ code: UInt32, _ count: Int) throws {
    let sequence = try Exchange.recorded("sequence")
    let recorded = try #require(sequence.first { $0.name == "ReadPublic" })
    var left = count
    var pauses: [UInt64] = []
    let transport = ScriptedTPM { _ in
      left -= 1
      return left >= 0 ? refusal(code) : recorded.answer
    }
    let tpm = TPM(transport) { pauses.append($0) }
    let parameters = try tpm.run(.readPublic(handle: TPMCommand.attestationKey))
    #expect(parameters.elementsEqual(recorded.answer.dropFirst(10)))
    #expect(pauses == [UInt64](repeating: 50, count: count))
    #expect(transport.commands.allSatisfy { $0 == recorded.command })
  }

  @Test(arguments: [0x922, 0x908, 0x90A] as [UInt32])
  func aCommandThatIsPutOffForEverIsBusy(_ code: UInt32) {
    let transport = ScriptedTPM { _ in refusal(code) }
    let fault = token { () throws(FailureToken) in
      _ = try TPM(transport, pause: { _ in }).run(.nvDefineUserData)
    }
    #expect(fault == .tpmBusy)
    #expect(transport.commands.count == 11)
  }

  // MARK: Answers of another form

  struct Damage: Sendable, CustomStringConvertible {
    let description: String
    let edit: @Sendable (inout [UInt8]) -> Void
  }

  static let damages = [
    Damage(description: "empty") { $0 = [] },
    Damage(description: "half a header") { $0 = Array($0.prefix(9)) },
    Damage(description: "one byte short") { $0.removeLast() },
    Damage(description: "one byte more") { $0.append(0) },
    Damage(description: "another tag") { $0[1] ^= 3 },
    Damage(description: "an unknown tag") { $0[0] = 0 },
    Damage(description: "size one larger than the data") { $0[5] &+= 1 },
    Damage(description: "size of four gigabytes") { $0[2] = 0xFF },
    Damage(description: "a refusal with parameters") { $0[9] = 1 },
  ]

  /// Whatever goes wrong at whatever place of the sequence, it is noticed there.
  @Test(arguments: damages) func aDamagedAnswerIsRefused(_ damage: Damage) throws {
    let sequence = try Exchange.recorded("sequence")
    for place in sequence.indices {
      var damaged = sequence
      damage.edit(&damaged[place].answer)
      // A refusal is 10 bytes already; with another code it is another refusal.
      if sequence[place].answer.count == 10, damage.description.hasSuffix("parameters") { continue }
      #expect(try Recorded.fault(damaged) == .tpmResponse, "\(sequence[place].name) \(place)")
    }
  }

  @Test func aParameterSizeThatIsWrongIsRefused() throws {
    let sequence = try Exchange.recorded("sequence")
    let authorized = sequence.indices.filter { sequence[$0].answer[1] == 2 }
    #expect(authorized.count == 5)
    for place in authorized {
      for (byte, change) in [(13, UInt8(1)), (13, 0xFF), (10, 0x80), (12, 1)] {
        var damaged = sequence
        damaged[place].answer[byte] &+= change
        #expect(try Recorded.fault(damaged) == .tpmResponse, "\(sequence[place].name)")
      }
    }
  }

  @Test func anAuthorizationOfAnotherFormIsRefused() throws {
    let sequence = try Exchange.recorded("sequence")
    for place in sequence.indices where sequence[place].answer[1] == 2 {
      for byte in 1...5 {
        var damaged = sequence
        damaged[place].answer[damaged[place].answer.count - byte] ^= 0x40
        #expect(try Recorded.fault(damaged) == .tpmResponse, "\(sequence[place].name)")
      }
    }
  }

  /// Where a TPM2B of each answer starts that is longer than what is there.
  @Test(arguments: [
    ("ReadPublic", 10), ("ReadPublic", 34), ("NV_ReadPublic", 10), ("NV_ReadPublic", 26),
    ("NV_Read", 14), ("PCR_Read", 28), ("Quote", 14), ("Quote", 14 + 2 + 0x91 + 4),
  ])
  func anOversizedFieldIsRefused(_ name: String, _ offset: Int) throws {
    let sequence = try Exchange.recorded("sequence")
    // The recorded index that is missing has an answer without fields.
    let places = sequence.indices.filter {
      sequence[$0].name == name && sequence[$0].answer.count > 10
    }
    #expect(!places.isEmpty)
    for place in places {
      for value: UInt8 in [0xFF, 0x7F] {
        var damaged = sequence
        damaged[place].answer[offset] = value
        damaged[place].answer[offset + 1] = 0xFF
        #expect(try Recorded.fault(damaged) == .tpmResponse, "\(name) at \(offset)")
      }
    }
  }

  @Test func registersThatWereNotAskedForAreRefused() throws {
    let sequence = try Exchange.recorded("sequence")
    let place = try #require(sequence.indices.last { sequence[$0].name == "PCR_Read" })
    for mask: [UInt8] in [[0, 0, 0], [0xFF, 0, 0], [0, 0, 0x7F], [1, 0, 0xFF]] {
      var damaged = sequence
      damaged[place].answer.replaceSubrange(21..<24, with: mask)
      #expect(try Recorded.fault(damaged) == .tpmResponse, "\(mask)")
    }
  }

  @Test func aKeyThatIsNoRestrictedSignerIsNotUsed() throws {
    let sequence = try Exchange.recorded("sequence")
    // Type, restricted, sign, scheme, hash, bits, exponent.
    for (byte, bits) in [
      (13, UInt8(9)), (17, 0x01), (17, 0x04), (25, 0x02), (27, 0x07), (28, 0x04), (33, 1),
    ] {
      var damaged = sequence
      damaged[0].answer[byte] ^= bits
      #expect(try Recorded.fault(damaged) == .tpmObject, "byte \(byte)")
    }
  }

  @Test func anIndexOfAnotherNameIsRefused() throws {
    var damaged = try Exchange.recorded("sequence")
    let place = try #require(
      damaged.indices.first { damaged[$0].name == "NV_ReadPublic" && damaged[$0].answer.count > 10 }
    )
    damaged[place].answer[15] ^= 1
    #expect(try Recorded.fault(damaged) == .tpmResponse)
  }

  /// A seeded stand-in for a fuzzer: a changed answer gives a token or evidence, and no trap.
  @Test func damagedAnswersNeverTrap() throws {
    let sequence = try Exchange.recorded("sequence")
    var random = SeededRandom(seed: 7)
    var refused = 0
    for _ in 0..<1500 {
      var damaged = sequence
      let place = Int.random(in: sequence.indices, using: &random)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let bytes = damaged[place].answer.indices
        damaged[place].answer[Int.random(in: bytes, using: &random)] ^=
          .random(in: 1 ... .max, using: &random)
      }
      if Bool.random(using: &random) {
        damaged[place].answer.removeLast(Int.random(in: 0..<9, using: &random))
      }
      if try Recorded.fault(damaged) != nil { refused += 1 }
    }
    #expect(refused > 700)
    for _ in 0..<5000 {
      let bytes = random.bytes(Int.random(in: 0..<64, using: &random))
      let fault = token { () throws(FailureToken) in
        _ = try TPMAnswer(bytes, to: .pcrRead(.all))
        _ = try PCRValues(bytes, asked: .all)
      }
      #expect(fault != nil)
    }
  }
}
