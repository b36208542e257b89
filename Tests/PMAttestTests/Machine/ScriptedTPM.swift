import PMCrypto
import PMJSON
import Vectors

@testable import PMAttest

/// One command and its answer, as recorded from a software TPM.
struct Exchange: Sendable {
  let name: String
  let command: [UInt8]
  var answer: [UInt8]

  /// The evidence sequence, or the single exchanges, of the vectors.
  static func recorded(_ list: String) throws -> [Exchange] {
    try (try Vectors.json("tpm/exchanges.json")[list]?.array ?? []).map { item in
      guard let name = item["name"]?.string, let command = item["command"]?.string,
        let answer = item["response"]?.string, let commandBytes = Hex.bytes(command),
        let answerBytes = Hex.bytes(answer)
      else { throw VectorError.noMember }
      return Exchange(name: name, command: commandBytes, answer: answerBytes)
    }
  }
}

/// Answers commands in their recorded order; any other command is a mistake of the test's subject.
final class RecordedTPM: TPMTransport {
  private var rest: ArraySlice<Exchange>
  private(set) var unexpected: [UInt8]?
  var isFinished: Bool { rest.isEmpty && unexpected == nil }

  init(_ exchanges: [Exchange]) { rest = exchanges[...] }

  func exchange(_ command: [UInt8]) throws(FailureToken) -> [UInt8] {
    guard let next = rest.popFirst(), next.command == command else {
      unexpected = command
      throw .tpmIO
    }
    return next.answer
  }
}

/// Answers as a closure says; stands before another TPM or alone.
final class ScriptedTPM: TPMTransport {
  private let script: ([UInt8]) throws(FailureToken) -> [UInt8]
  private(set) var commands: [[UInt8]] = []

  init(_ script: @escaping ([UInt8]) throws(FailureToken) -> [UInt8]) { self.script = script }

  func exchange(_ command: [UInt8]) throws(FailureToken) -> [UInt8] {
    commands.append(command)
    return try script(command)
  }
}

/// The code of a command.
func code(_ command: [UInt8]) -> Int { command[6..<10].reduce(0) { $0 << 8 | Int($1) } }

/// A refusal.
func refusal(_ code: UInt32) -> [UInt8] {
  [0x80, 1, 0, 0, 0, 10] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: code >> $0) }
}
