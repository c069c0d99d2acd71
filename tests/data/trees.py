"""Small folders laid out as data sets are when they are downloaded, of files that differ."""

TREES = {
    "tno42": [f"{source}/{k:02}.png" for source in ("ir", "vi") for k in (1, 2)],
    "tno25": [f"{source}/{k:02}.png" for source in ("ir", "vi") for k in (1, 2)],
    "tno14": [f"{scene}_{source}.png" for scene in ("Camp", "T2") for source in ("IR", "Vis")],
    "roadscene": [
        f"{folder}/FLIR_0516{k}.jpg"
        for folder in ("infrared", "cropinfrared", "crop_LR_visible", "crop_HR_visible")
        for k in (4, 5)
    ],
    "msrs-test": [
        f"{split}/{source}/0000{k}.png"
        for split in ("train", "test")
        for source in ("vi", "ir", "Segmentation_labels")
        for k in ("4N", "7D")
    ],
    "llvip-test": [
        *(
            f"{source}/{split}/{19 if split == 'test' else 1}000{k}.jpg"
            for source in ("visible", "infrared")
            for split in ("train", "test")
            for k in (1, 2)
        ),
        "Annotations/190001.xml",
    ],
    "m3fd-fusion": [f"{source}/0000{k}.png" for source in ("Ir", "Vis") for k in (0, 1)],
    "fmb-test": [
        f"{split}/{source}/0004{k}.png"
        for split in ("train", "test")
        for source in ("Infrared", "Visible", "Label", "color")
        for k in (3, 4)
        if (split, source, k) != ("test", "Label", 4)
    ],
    "mefb": [
        "Lighthouse/Lighthouse_a.jpg",
        "Lighthouse/Lighthouse_B.png",
        "Lighthouse/Lighthouse_over.png",
        "Lighthouse/ev.txt",
        "sky/sKY_a.tif",
        "sky/Sky_B.tif",
    ],
    "sice-part1": [
        *(f"{k}.JPG" for k in ("1/1", "1/2", "1/3", "2/1", "2/2", "Label/1", "Label/2"))
    ],
    "sice-part2": [
        "1/1.JPG",
        "1/2.JPG",
        "1/3.JPG",
        "2/1.JPG",
        "2/2.jpg",
        "Label/1.JPG",
        "Label/2.png",
    ],
    "lytro": [f"lytro-0{k}-{name}.jpg" for k in (1, 2) for name in "AB"],
    "lytro-triples": [f"lytro-0{k}-{name}.jpg" for k in (1, 2) for name in "ABC"],
    "mfi-whu": [
        f"{folder}/{k}.jpg" for folder in ("source_1", "source_2", "full_clear") for k in (1, 2)
    ],
    "real-mff": [
        f"{folder}/00{k}_{letter}.png"
        for folder, letter in (("imageA", "A"), ("imageB", "B"), ("Fusion", "F"))
        for k in (1, 2)
    ],
}


def plant(root, names):
    """Write files whose content is their name, and give back their folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root
