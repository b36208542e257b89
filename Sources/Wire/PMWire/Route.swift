/// Which API family's error envelope an answer uses.
public enum Dialect: Sendable {
  case openAI, anthropic
}

/// Everything the public listener answers through core. What is not in this table is not served.
public enum Route: UInt8, CaseIterable, Sendable {
  // The ledger stores the raw values.
  case chat, completions, messages, embeddings, transcriptions, models, model, keyInfo
  case key, usage, receipt

  /// The whole path; where a name follows, what is before it.
  public var path: StaticString {
    switch self {
    case .chat: "/v1/chat/completions"
    case .completions: "/v1/completions"
    case .messages: "/v1/messages"
    case .embeddings: "/v1/embeddings"
    case .transcriptions: "/v1/audio/transcriptions"
    case .models: "/v1/models"
    case .model: "/v1/models/"
    case .keyInfo: "/auth/key-info"
    case .key: "/v1/key"
    case .usage: "/v1/usage"
    case .receipt: "/v1/receipts/"
    }
  }

  public var isPost: Bool {
    switch self {
    case .chat, .completions, .messages, .embeddings, .transcriptions: true
    case .models, .model, .keyInfo, .key, .usage, .receipt: false
    }
  }

  /// The path goes on with the name of what is asked for: a model's id, a request's id.
  public var hasName: Bool { self == .model || self == .receipt }

  /// The methods of an `Allow` field.
  public var methods: StaticString { isPost ? "POST, OPTIONS" : "GET, HEAD, OPTIONS" }

  public var dialect: Dialect { self == .messages ? .anthropic : .openAI }

  /// The word for the route in logs and in the ledger; the predecessor's where it had one.
  public var word: StaticString {
    switch self {
    case .chat: "chat"
    case .completions: "completions"
    case .messages: "messages"
    case .embeddings: "embeddings"
    case .transcriptions: "transcriptions"
    case .models: "models"
    case .model: "model"
    case .keyInfo: "key-info"
    case .key: "key"
    case .usage: "usage"
    case .receipt: "receipt"
    }
  }
}
