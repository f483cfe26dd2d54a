import Glibc

/// Real models that lie beside the repository, where they do.
enum SharedModels {
  static let folder: String = {
    // <root>/Tests/FormatsTests/SharedModels.swift
    let parts = #filePath.split(separator: "/").dropLast(4)
    return "/" + parts.joined(separator: "/") + "/shared/models"
  }()
  static let areThere = access(folder, R_OK) == 0
  static func path(_ name: String) -> String { folder + "/" + name }
}
