import PMAttest
import Testing

@testable import PMSupervisor

@Suite struct GateSequenceTests {
  private let whole = FoundCertificates(vek: [1], intermediate: [2], ark: [3])

  /// A sequence up to its first look for a chain.
  private func atChain(
    _ platform: Platform, mayFetch: Bool = true
  ) -> (GateSequence, GateSequence.Effect) {
    var sequence = GateSequence(platform: platform, mayFetch: mayFetch)
    _ = sequence.begin(knowsKernel: false)
    for _ in 0..<3 { _ = sequence.took(nil) }
    let effect = sequence.took(nil)
    return (sequence, effect)
  }

  @Test func theStepsHaveOneOrder() {
    var sequence = GateSequence(platform: .snp, mayFetch: true)
    #expect(sequence.begin(knowsKernel: false) == .readKernelLog(.snp))
    #expect(sequence.took(nil) == .checkDevice(.snp))
    #expect(sequence.took(nil) == .prepareKey)
    #expect(sequence.took(nil) == .prepareEvidence)
    #expect(sequence.took(nil) == .lookForChain(.table))
    #expect(sequence.found(whole) == .appraise(whole))
    #expect(sequence.appraised(nil) == .end(nil))
  }

  @Test func withoutAPlatformNothingIsAsked() {
    var sequence = GateSequence(platform: nil, mayFetch: true)
    #expect(sequence.begin(knowsKernel: false) == .end(.configPlatform))
  }

  @Test func theKernelIsAskedOncePerBoot() {
    var sequence = GateSequence(platform: .azure, mayFetch: true)
    #expect(sequence.begin(knowsKernel: true) == .checkDevice(.azure))
  }

  /// Whatever fails, wherever: it ends there with its own token.
  @Test(arguments: 0..<4) func aFailureEndsTheRun(_ step: Int) {
    for token in FailureToken.allCases {
      var sequence = GateSequence(platform: .snp, mayFetch: true)
      _ = sequence.begin(knowsKernel: false)
      for _ in 0..<step { _ = sequence.took(nil) }
      #expect(sequence.took(token) == .end(token))
    }
  }

  @Test func placesAreAskedInTheOrderOfThePlatform() {
    func places(_ platform: Platform, mayFetch: Bool) -> [GateSequence.ChainSource] {
      var (sequence, effect) = atChain(platform, mayFetch: mayFetch)
      var places: [GateSequence.ChainSource] = []
      while case .lookForChain(let place) = effect {
        places.append(place)
        effect = sequence.found(FoundCertificates())
      }
      #expect(effect == .end(mayFetch ? .collateralFetch : .collateralMissing))
      return places
    }
    #expect(places(.snp, mayFetch: true) == [.table, .cache, .kds])
    #expect(places(.snp, mayFetch: false) == [.table, .cache])
    #expect(places(.azure, mayFetch: true) == [.cache, .imds, .imds, .kds])
    #expect(places(.azure, mayFetch: false) == [.cache])
  }

  @Test func aTableWithoutIntermediatesIsCompleted() {
    var (sequence, _) = atChain(.snp)
    #expect(sequence.found(FoundCertificates(vek: [1])) == .lookForChain(.cache))
    let rest = FoundCertificates(intermediate: [2], ark: [3])
    #expect(sequence.found(rest) == .appraise(whole))
  }

  @Test func anotherPlaceMayHaveTheRightChain() {
    var (sequence, _) = atChain(.snp)
    _ = sequence.found(whole)
    #expect(sequence.appraised(.tcbCert) == .lookForChain(.cache))
    // The same again is not judged again.
    #expect(sequence.found(whole) == .lookForChain(.kds))
    let other = FoundCertificates(vek: [9], intermediate: [2], ark: [3])
    #expect(sequence.found(other) == .appraise(other))
    #expect(sequence.appraised(.tcbCert) == .end(.tcbCert))
  }

  @Test func aChainTooLargeForADocumentIsNotTheLastWord() {
    for token in [FailureToken.docSize, .docMember, .certParse] {
      var (sequence, _) = atChain(.azure)
      _ = sequence.found(whole)
      #expect(sequence.appraised(token) == .lookForChain(.imds))
    }
  }

  @Test func aRefusalThatNoChainHealsIsFinal() {
    for token in [FailureToken.debug, .tcbFloor, .reportData, .measurement, .idKey, .claims] {
      var (sequence, _) = atChain(.snp)
      _ = sequence.found(whole)
      #expect(sequence.appraised(token) == .end(token))
    }
  }

  @Test func whyTheLastChainFailedIsTold() {
    var (sequence, _) = atChain(.snp)
    _ = sequence.found(whole)
    _ = sequence.appraised(.vekSig)
    _ = sequence.found(FoundCertificates())
    #expect(sequence.found(FoundCertificates()) == .end(.vekSig))
  }
}
