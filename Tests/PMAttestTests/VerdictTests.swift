import Testing

@testable import PMAttest

/// Over all states of all factors: nothing but PASS makes a good verdict.
@Suite struct VerdictTests {
  private static let occasions: [Occasion] = [
    .gate, .saved, .connection(webPKI: .valid), .connection(webPKI: .notChecked),
  ]

  private func factors(_ state: (Factor.Name) -> Factor.State) -> [Factor] {
    Factor.Name.allCases.map { Factor(name: $0, state: state($0), token: nil, detail: "") }
  }

  private func isGood(
    _ factors: [Factor], _ platform: Platform?, _ occasion: Occasion,
    _ more: Set<Factor.Name> = []
  ) -> Bool {
    let required = occasion.required(on: platform).union(more)
    switch Verdict(of: factors, required: required, on: occasion) {
    case .proven: return occasion != .saved
    case .savedEvidenceValid: return occasion == .saved
    case .rejected, .unreachable: return false
    }
  }

  @Test(arguments: Platform.allCases)
  func requiredFactorsMustPassAndNoneMayFail(_ platform: Platform) {
    for occasion in Self.occasions {
      let required = occasion.required(on: platform)
      for rest in [Factor.State.pass, .skip, .notProven] {
        let good: (Factor.Name) -> Factor.State = { required.contains($0) ? .pass : rest }
        #expect(isGood(factors(good), platform, occasion))
        for name in Factor.Name.allCases {
          for state in Factor.State.allCases {
            let found = isGood(
              factors { $0 == name ? state : good($0) }, platform, occasion)
            let isExpected = state == .pass || (state != .fail && !required.contains(name))
            #expect(found == isExpected, "\(name) \(state) \(occasion)")
            let demanded = isGood(
              factors { $0 == name ? state : good($0) }, platform, occasion, [name])
            #expect(demanded == (state == .pass), "required \(name) \(state)")
          }
        }
      }
    }
  }

  /// Every pair of states of every pair of factors, against the sentence of the specification.
  @Test func skipAndNotProvenNeverCountAsPass() {
    for occasion in Self.occasions {
      let required = occasion.required(on: .azure)
      for first in Factor.Name.allCases {
        for second in Factor.Name.allCases where second != first {
          for a in Factor.State.allCases {
            for b in Factor.State.allCases {
              let found = isGood(
                factors { $0 == first ? a : $0 == second ? b : .pass }, .azure, occasion)
              let isExpected = [(first, a), (second, b)].allSatisfy { name, state in
                state == .pass || (state != .fail && !required.contains(name))
              }
              if found != isExpected { Issue.record("\(first) \(a) \(second) \(b)") }
            }
          }
        }
      }
    }
  }

  @Test func nothingButPassIsAlsoNotEnoughForAnUnknownPlatform() {
    for occasion in Self.occasions {
      #expect(!isGood(factors { _ in .skip }, nil, occasion))
      #expect(!isGood(factors { _ in .notProven }, nil, occasion))
      #expect(occasion.required(on: nil) == occasion.required(on: .azure))
    }
    #expect(!isGood([], .snp, .gate))
  }

  @Test func aFailedFactorStaysFailedAndKeepsItsFirstToken() {
    var table = FactorTable()
    table.fail(.debug)
    table.fail(.vmpl)
    table.pass(.guestPolicy)
    table.set(.guestPolicy, .notProven)
    #expect(table[.guestPolicy] == .fail)
    #expect(table.factors.first { $0.name == .guestPolicy }?.token == .debug)
  }

  @Test func everyTokenOfAVerdictRefutesAFactor() {
    let tokens = FailureToken.allCases.filter { token in
      !Factor.Name.allCases.contains { $0.isRefuted(by: token) }
    }
    // The gate's own tokens and those of devices, TPM and collateral: no evidence came about.
    #expect(tokens.count == 26)
    #expect(FailureToken.csp.rawValue == "csp" && !tokens.contains(.csp))
    #expect(Set(tokens).isSuperset(of: [.configPlatform, .deviceBusy, .tpmIO, .certTable]))
  }
}
