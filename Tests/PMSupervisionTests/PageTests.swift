import PMSystem
import PMWire
import Testing

@testable import PMSupervision

/// The pages say what the code does.
@Suite struct PageTests {
  private static let folder: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/") + "/Sources/Processes/pmctl"
  }()

  /// Cells of all table rows of a page, without head and rule.
  private func rows(_ page: String) throws -> [[String]] {
    let bytes = try FileIO.read("\(Self.folder)/\(page)", bytesMax: 1 << 20)
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
      .filter { $0.hasPrefix("| ") }
      .map { line in
        line.split(separator: "|").map { String($0.drop { $0 == " " }) }
      }
  }

  private func states(_ cell: String) -> Set<ServiceState> {
    let words = cell.split { !($0.isLowercase || $0 == "-") }
    return Set(words.compactMap { ServiceState(rawValue: String($0)) })
  }

  private struct Move: Hashable {
    let from: ServiceState
    let to: ServiceState
  }

  @Test func theStateTableOfThePageIsTheTableOfTheMachine() throws {
    var written: Set<Move> = []
    for row in try rows("PMSupervision/README.md") where row.count == 3 {
      for from in states(row[0]) {
        for to in states(row[2]) { written.insert(Move(from: from, to: to)) }
      }
    }
    var coded: Set<Move> = []
    for row in Transition.table {
      for from in row.from { for to in row.to { coded.insert(Move(from: from, to: to)) } }
    }
    #expect(written.subtracting(coded).isEmpty)
    #expect(coded.subtracting(written).isEmpty)
  }

  @Test func theVerbsOfThePageHaveTheirRights() throws {
    let rights: [String: ControlAccess] = ["read": .read, "operate": .operate, "admin": .admin]
    var written: [String: ControlAccess] = [:]
    for row in try rows("README.md") where row.count == 2 {
      guard let access = rights[row[1].split(separator: " ").first.map(String.init) ?? ""] else {
        continue
      }
      for word in row[0].split(separator: " ") {
        written[word.filter { $0 != "`" }] = access
      }
    }
    var coded: [String: ControlAccess] = [:]
    for verb in ControlVerb.allCases { coded[verb.rawValue] = verb.access }
    #expect(written == coded)
  }

  @Test func theExitCodesOfThePageAreThoseOfTheCode() throws {
    var written: Set<Int32> = []
    for row in try rows("README.md") where row.count == 2 {
      for word in row[0].split(whereSeparator: { $0 == " " || $0 == "," }) {
        if let code = Int32(word) { written.insert(code) }
      }
    }
    let orders = Set(Outcome.allCases.map(\.exitCode))
    let overall: Set<Int32> = [
      Overall.ready.exitCode, Overall.degraded.exitCode, Overall.gateShut.exitCode,
      Overall.nothingRuns.exitCode,
    ]
    let others: Set<Int32> = [ExitCode.usage, ExitCode.noAnswer, ExitCode.configuration]
    #expect(written == orders.union(overall).union(others))
  }
}
