/// A model of the pretend deployment.
struct Model: Sendable {
  let id: Bytes
  let tasks: [String]

  init(id: String, tasks: [String]) {
    self.id = Bytes(id)
    self.tasks = tasks
  }

  /// From a scenario: an id, or `{"id":…,"tasks":[…]}`.
  init(_ value: JSON) throws(FieldFault) {
    if let id = value.string {
      self.id = id
      tasks = Self.knownTasks[id.text] ?? ["generate"]
      return
    }
    guard let id = value.member("id"), let list = value.member("tasks") else {
      throw .badValue(Bytes("models"))
    }
    self.id = try id.text()
    tasks = try list.texts().map(\.text)
  }

  private static let knownTasks: [String: [String]] = [
    "gpt-oss-120b": ["generate", "tool_calling"],
    "glm-5.3": ["generate", "tool_calling"],
    "glm-5.3-flash": ["generate", "tool_calling", "vision"],
    "kimi-k2.6": ["generate", "tool_calling", "vision"],
    "gemma-4-31b": ["generate", "tool_calling", "vision"],
    "gemma-3-27b": ["generate", "tool_calling", "vision"],
    "qwen3-coder-30b-a3b": ["generate", "tool_calling"],
    "deepseek-ocr-2": ["generate", "vision"],
    "qwen3-embedding-4b": ["embed"],
    "whisper-large-v3": ["transcribe"],
    "voxtral-mini-3b": ["transcribe"],
  ]

  static let defaults = [
    "gpt-oss-120b", "glm-5.3", "glm-5.3-flash", "qwen3-embedding-4b", "whisper-large-v3",
    "voxtral-mini-3b",
  ].map { Model(id: $0, tasks: knownTasks[$0] ?? []) }

  /// Alias to id, of section 4.3.
  static let defaultAliases: [Bytes: Bytes] = Dictionary(
    uniqueKeysWithValues: [
      ("openai/gpt-oss-120b", "gpt-oss-120b"), ("gpt-oss-latest", "gpt-oss-120b"),
      ("kimi-latest", "kimi-k2.6"), ("gemma-latest", "gemma-4-31b"),
      ("leon-se/gemma-3-27b-it-fp8-dynamic", "gemma-3-27b"), ("glm-latest", "glm-5.3"),
      ("glm-flash-latest", "glm-5.3-flash"), ("openai/whisper-large-v3", "whisper-large-v3"),
    ].map { (Bytes($0), Bytes($1)) })

  /// Models that `standin-…` triggers name serve every route.
  func serves(_ route: Route) -> Bool { id.starts(with: "standin-") || tasks.contains(route.task) }

  var hasPrefixCache: Bool { tasks.contains("generate") && !id.isEqual(to: "gemma-4-31b") }
}

extension Scenario {
  /// The served model that `name` means, directly or by alias.
  func model(named name: Bytes) -> Model? {
    let id = aliases[name] ?? name
    return models.first { $0.id == id }
  }

  /// The longer name under which a model server may know the model.
  func longName(of id: Bytes) -> Bytes {
    let names = aliases.filter { $0.value == id && $0.key.contains(UInt8(ascii: "/")) }.map(\.key)
    return names.min { $0.text < $1.text } ?? Bytes("stand-in/") + id
  }

  var modelList: JSON {
    let entries = models.map { model -> JSON in
      [
        "id": .text(model.id), "object": "model", "created": .int(clockSeconds),
        "owned_by": "vllm", "tasks": .array(model.tasks.map { .text($0) }),
      ]
    }
    return ["object": "list", "data": .array(entries)]
  }
}
