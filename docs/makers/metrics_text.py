"""The prose of ``docs/metrics.md`` around the definitions."""

INTRODUCTION = """\
# Metrics

<!-- made by: python docs/makers/metrics_page.py > docs/metrics.md -->
This page is made by `python docs/makers/metrics_page.py > docs/metrics.md`: formulas are the
docstrings, values are computed.

Fusion papers print the same names over different numbers. This page says, for every metric, what is
computed, which published code computes it otherwise, and how far one image is apart in all these
forms. [Why is my number different?](#why-is-my-number-different) starts from the number.

- What is measured is the **luma of 8-bit images**: grey levels 0 to 255, 0.299 R + 0.587 G +
  0.114 B rounded, of the sources F was made from and of the fused image F as it is saved.
  The presets `mefb` and `vifb` score R, G and B one by one, as their code does, and take the mean;
  `--metrics.colour luma` or `channels` decides otherwise.
- Every image has its own value; a table shows the **mean of the values** of all images. It depends
  neither on batch size, order nor number of processes.
- A **convention** is one form of a metric in circulation. `paper` is the metric's own publication;
  the others bear the name of a code base and return what its program returns, bugs included. The
  summary of a run names the convention of every value.
- What general libraries compute too is **compared with them** by tests, in every clone: EN, CE, MI,
  NMI, SD, CC, SCD, MSE, PSNR, AG, EI, SF, SSIM and VIF. The other metrics are compared with values
  of the code bases below, on pictures that a clone does not hold; we know no implementation of them
  that is independent of these code bases, except piq's of MS_SSIM. With VIFB's or L. Tang's
  pictures you can [compare with what they published](published.md).

## Choose

```
fusionlab evaluate                                       # preset ttd
fusionlab evaluate --metrics.preset mefb                 # a code base's table, as it computes it
fusionlab evaluate --metrics.names "[EN, EI:mefb]"       # any metrics, in any convention
fusionlab evaluate --fused results/MyMethod --data.root TNO --metrics.preset vifb
```

The last one scores images that any other tool has fused. Take the preset of the table that your
numbers stand beside: values of two conventions must not share a column. A metric named without a
convention is `paper`, whatever the preset."""

KEYS = """\
A preset takes all its metrics in the convention of its name. The keys are these code bases; a
suffix, as in `thfylsty_myoce`, names another function, option or data type of the same one."""

CODE_BASES = {
    "paper": "the publication that introduced the metric, named as its source below",
    "ttd": "the tables of Cao et al., *Test-Time Dynamic Image Fusion*, NeurIPS 2024; inferred, "
    "as its repository holds no source of metrics",
    "mefb": "[xingchenzhang/MEFB](https://github.com/xingchenzhang/MEFB), MATLAB",
    "vifb": "[xingchenzhang/VIFB](https://github.com/xingchenzhang/VIFB), MATLAB",
    "linfeng": "[Linfeng-Tang/Evaluation-for-Image-Fusion]"
    "(https://github.com/Linfeng-Tang/Evaluation-for-Image-Fusion), MATLAB",
    "zhengliu": "[zhengliu6699/imageFusionMetrics]"
    "(https://github.com/zhengliu6699/imageFusionMetrics), MATLAB",
    "thfylsty": "[thfylsty/Objective-evaluation-for-image-fusion]"
    "(https://github.com/thfylsty/Objective-evaluation-for-image-fusion), MATLAB",
    "jileihou": "[Jilei-Hou/metric-for-image-fusion]"
    "(https://github.com/Jilei-Hou/metric-for-image-fusion), MATLAB",
    "cddfuse": "[Zhaozixiang1228/MMIF-CDDFuse]"
    "(https://github.com/Zhaozixiang1228/MMIF-CDDFuse), Python",
    "ivif_zoo": "[RollingPlain/IVIF_ZOO](https://github.com/RollingPlain/IVIF_ZOO), Python",
    "topanxal": "[Topanxal/Image-fusion-evaluation-metrics-code-PyTorch-version-]"
    "(https://github.com/Topanxal/Image-fusion-evaluation-metrics-code-PyTorch-version-), Python",
}

WORKED = """\
## The worked values

One image measured in all conventions: the built-in scene `vif-astronaut`, 321 x 321, whose fused
image is the mean of its two sources, rounded. Anyone can repeat them:

```python
from fusionlab.data.built_in import SceneDataset
from fusionlab.metrics import EdgeIntensity

scenes = SceneDataset("vif")
sources = scenes[scenes.ids.index("vif-astronaut")]["grey"][None].double()
fused = sources.mean(dim=1).round()
EdgeIntensity("mefb").score(fused, sources)
```

Conventions that compute the same share a row. Two rows may still agree here: many forms differ only
where images are flat or saturated."""

METRICS_HEADING = """\
## The metrics

Formula, convention and value are those of the Python function that is named first. Names such as
`rounding` are values of its options, which its docstring describes."""

TRUTH = """\
## With a ground truth

Where a data set has one, as the built-in multi-focus and multi-exposure scenes do, `fusionlab
evaluate` compares the fused images with it too. The image of the worked values has none. The truth
of an exposure bracket is one of its exposures, so that PSNR also rewards a picture for being as
bright: read it together with PSNR-affine, which is blind to brightness and contrast."""
