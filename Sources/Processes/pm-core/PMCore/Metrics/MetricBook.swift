import PMSystem
import PMWire

/// What core counts for monitors. It lives on the loop; a request costs a few additions in memory
/// that is there already, and nothing that a client sends makes it grow beyond its bounds.
final class MetricBook {
  /// Models with lines of their own, in the order of their first use; all later ones are `other`.
  static let modelsMax = 16
  static let otherModel = "other"
  /// Pairs of route, status class and error code. Beyond, the code is `other`.
  static let answerSeriesMax = 512
  static let otherCode = "other"

  let models: ModelTable
  /// Answers to clients, those of the door included.
  private(set) var answers: [AnswerSeries: UInt64] = [:]
  /// Answers that broke off after their head.
  private(set) var broken = [UInt64](repeating: 0, count: Route.allCases.count)
  /// Place of a model in `shown`; the first two are not models.
  private var places: [ModelIndex: Int] = [:]
  private(set) var shown: [ModelCounts]

  init(models: ModelTable) {
    self.models = models
    shown = [ModelCounts(ModelTable.unlistedName), ModelCounts(Self.otherModel)]
  }

  /// A request is over for its client.
  func count(_ exchange: Exchange) {
    if exchange.isBroken, let route = exchange.route { broken[Int(route.rawValue)] &+= 1 }
    var series = AnswerSeries(
      route: exchange.route, statusClass: exchange.status / 100, code: exchange.code)
    if answers.count >= Self.answerSeriesMax, answers[series] == nil {
      series.code = Self.otherCode
    }
    answers[series, default: 0] &+= 1
  }

  /// A request that reached the vendor has ended. Times are from its arrival; the first byte is of
  /// a stream only, because that of any other answer tells nothing.
  func count(
    _ model: ModelIndex, _ route: Route, _ usage: Usage, costNanoEuro: Int64?,
    microseconds: Int64, firstByteMicroseconds: Int64?
  ) {
    let counts = shown[place(model)]
    counts.costNanoEuro &+= UInt64(max(0, costNanoEuro ?? 0))
    counts.audioMilliseconds &+= UInt64(max(0, usage.audioMilliseconds))
    guard let operation = GenerativeOperation(route) else { return }
    counts.of(operation).add(usage, microseconds, firstByteMicroseconds)
  }

  private func place(_ model: ModelIndex) -> Int {
    if model == .unlisted { return 0 }
    if let place = places[model] { return place }
    if places.count == Self.modelsMax { return 1 }
    places[model] = shown.count
    shown.append(ModelCounts(models.name(model)))
    return shown.count - 1
  }
}

/// One request from the edge and what its client was told, as far as it is known.
struct Exchange {
  /// Nil for a path that is not ours.
  var route: Route?
  /// 499 as long as nothing was answered: who leaves earlier gets no answer.
  var status = 499
  /// The code of an error of ours, a constant; empty for the model server's own.
  var code = ""
  var isBroken = false
}

/// The labels of a counter of answers.
struct AnswerSeries: Hashable {
  var route: Route?
  var statusClass: Int
  var code: String
}

/// `gen_ai.operation.name` of the OpenTelemetry conventions, and one word for what they lack.
enum GenerativeOperation: Int, CaseIterable {
  case chat, completion, embeddings, transcription

  /// Nil for routes on which no model works.
  init?(_ route: Route) {
    switch route {
    case .chat, .messages: self = .chat
    case .completions: self = .completion
    case .embeddings: self = .embeddings
    case .transcriptions: self = .transcription
    default: return nil
    }
  }

  var word: String {
    switch self {
    case .chat: "chat"
    case .completion: "text_completion"
    case .embeddings: "embeddings"
    case .transcription: "transcription"
    }
  }
}

/// What one model did.
final class ModelCounts {
  let name: String
  var costNanoEuro: UInt64 = 0
  var audioMilliseconds: UInt64 = 0
  /// Made when an operation is used for the first time.
  private(set) var operations = [OperationCounts?](
    repeating: nil, count: GenerativeOperation.allCases.count)

  init(_ name: String) { self.name = name }

  func of(_ operation: GenerativeOperation) -> OperationCounts {
    if let known = operations[operation.rawValue] { return known }
    let new = OperationCounts()
    operations[operation.rawValue] = new
    return new
  }
}

/// What one model did in one operation.
final class OperationCounts {
  /// All tokens of prompts, cached ones included, as the conventions have it.
  private(set) var input = Histogram(.tokens)
  private(set) var cached = Histogram(.tokens)
  private(set) var output = Histogram(.tokens)
  private(set) var time = Histogram(.requestTime)
  private(set) var firstToken = Histogram(.firstTokenTime)
  private(set) var outputToken = Histogram(.outputTokenTime)

  func add(_ usage: Usage, _ microseconds: Int64, _ firstByteMicroseconds: Int64?) {
    time.add(microseconds)
    if let first = firstByteMicroseconds {
      firstToken.add(first)
      if usage.output > 1 { outputToken.add(max(0, microseconds - first) / (usage.output - 1)) }
    }
    // Nothing is known of the tokens of audio, and of answers that never came.
    guard usage.source != .none, usage.audioMilliseconds == 0 else { return }
    input.add(usage.fresh &+ usage.cached)
    if usage.cached > 0 { cached.add(usage.cached) }
    if usage.output > 0 { output.add(usage.output) }
  }
}
