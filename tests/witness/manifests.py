"""Holds manifests against Kubernetes' own schemas: manifests.py FOLDER VERSION...

One line for each problem, and none if there is none. Strict: a key that the schema does not know is
a problem, as it is for `kubectl apply --validate=strict`.
"""

import pathlib
import sys

import kubernetes_validate.utils as kubernetes_validate
import yaml


def main() -> int:
    folder, versions = pathlib.Path(sys.argv[1]), sys.argv[2:]
    objects = 0
    problems = []
    for file in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            objects += 1
            for version in versions:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except (
                    kubernetes_validate.ValidationError,
                    kubernetes_validate.SchemaNotFoundError,
                    kubernetes_validate.InvalidSchemaError,
                    kubernetes_validate.VersionNotSupportedError,
                ) as error:
                    problems.append(f"{file.name} {version}: {getattr(error, 'message', error)}")
    for problem in problems:
        print(problem)
    print(f"{objects} objects, {len(problems)} problems", file=sys.stderr)
    return 1 if problems or not objects or not versions else 0


if __name__ == "__main__":
    sys.exit(main())
