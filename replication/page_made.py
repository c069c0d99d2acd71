"""What made the page: command, versions, data, weights, settings."""

from __future__ import annotations

from fusionlab.laboratory.replication.results import Results
from fusionlab.laboratory.settings import choices


def made_section(results: Results) -> str:
    """All that it takes to make it again."""
    counts = {one.outcome.data: len(one.outcome.ids) for one in results.data}
    data = [
        f"- {name}: {count} of {results.at_hand[name]} images at hand"
        f"{'' if count == results.at_hand[name] else ', the first by name'}; "
        f"SHA-256 of their files in order {results.data_hashes[name][:16]}"
        for name, count in counts.items()
    ]
    weights = [f"- {name}: SHA-256 {sha[:16]}" for name, sha in results.weight_hashes.items()]
    probed = results.probed if results.dominability else {}
    settings = [
        f"- {label}: {', '.join(f'{name} {value}' for name, value in choices(ttd).items())}"
        for label, ttd in {**results.settings, **probed}.items()
    ]
    made = results.provenance
    versions = ", ".join(f"{name} {one}" for name, one in made["versions"].items())
    kept = f"{results.kept} rows of values were kept from an earlier run." if results.kept else ""
    return f"""## How this page was made

```
{results.command}
```

fusionlab {made["fusionlab"]}, commit {made["commit"] or "unknown"}, Python {made["python"]};
{versions}. {kept}
Random are the bootstrap (10,000 resamples of the images, seed 0), the noise on the parameters (the
seed is an image's place in its data set) and fresh weights, of which only times are taken.
Metrics are those of the preset `ttd`, of the luma of the 8-bit image. Given weights see colour
images (multi-focus) normalised with ImageNet's statistics, as their authors' program does.

Data:

{chr(10).join(data)}

Weights of IFCNN:

{chr(10).join(weights)}

Settings:

{chr(10).join(settings)}
"""
