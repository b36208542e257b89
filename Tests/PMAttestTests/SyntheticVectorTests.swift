import PMJSON
import Testing
import Vectors

@testable import PMAttest

/// What no genuine key would sign: one defect each under roots of our own, or none.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct SyntheticVectorTests {
  static func vectors(_ kind: String) -> [Vector] {
    Vectors.synthetic.filter { (try? $0.text("kind")) == kind }
  }

  @Test func theVectorsAreThere() {
    #expect(Vectors.synthetic.count >= 64)
    #expect(Self.vectors("report").count >= 38)
    #expect(Self.vectors("table").count >= 4)
  }

  @Test(arguments: vectors("report"))
  func aReportGetsItsVerdict(_ vector: Vector) throws {
    let evidence = try Evidence(vector)
    #expect(evidence.verdict == (try vector.text("expect")))
    guard evidence.verdict == "accept" else { return }
    #expect(try evidence.verify().signer.product.rawValue == vector.text("product"))
  }

  @Test(arguments: vectors("report"))
  func noneIsAcceptedUnderTheRootsOfAMD(_ vector: Vector) throws {
    #expect(try Evidence(vector).with { $0.anchors = .amd }.verdict != "accept")
  }

  @Test(arguments: vectors("table"))
  func aTableGetsItsVerdict(_ vector: Vector) throws {
    let bytes = try vector.file("table.bin")
    #expect(verdict { _ = try CertificateTable(bytes) } == (try vector.text("expect")))
    guard let table = try? CertificateTable(bytes) else { return }
    let found = [
      ("VCEK", table.vcek), ("VLEK", table.vlek), ("ASK", table.intermediate), ("ARK", table.ark),
    ]
    let entries = found.compactMap { name, der -> JSONValue? in
      der.map { [.string(name), .integer(Int64($0.count))] }
    }
    #expect(try vector.meta()["entries"]?.array == entries)
  }
}
