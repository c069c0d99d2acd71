"""The section of ``docs/metrics.md`` that starts from a number in a table.

``{ei:mefb}`` stands for a worked value, ``{ei:mefb / ag:mefb}`` for a ratio of two.
"""

REASONS = """\
## Why is my number different?

Most often because other code computed it. Numbers in parentheses are worked values of this page;
those of 42 TNO image pairs were measured with public code on public images. *Inferred* marks what
follows from published numbers without their authors saying so.

### Gradients and contrast

- **EI / AG near 10 or near 2.5.** Near 10 EI is the plain Sobel magnitude, as in `mefb`, `vifb`,
  `thfylsty` and `topanxal` ({ei:mefb / ag:paper}). Near 2.5 it is a quarter of that, the scale of
  scikit-image's `sobel_h` and `sobel_v` ({ei:ttd / ag:ttd}): so in the tables of the TTD paper,
  where the median of 85 cells is 2.55 (inferred).
- **EI a tenth higher.** `ivif_zoo` puts zeros around the image, and the frame counts as an edge
  ({ei:ivif_zoo} for {ei:paper}).
- **AG a fifth higher.** Forward differences ({ag:thfylsty_averagegradient}) in place of central
  ones ({ag:paper}). The divisor (H - 1)(W - 1) in place of H x W changes it by less than 1 %
  ({ag:mefb}).
- **SD near 9 where others have 44.** MATLAB's 8-bit integers saturate: negative differences become
  0 and squares stop at 255 (`linfeng_uint8`: {sd:linfeng_uint8} for {sd:paper}). The sheet
  published beside `linfeng` has 9.57 for SeAFusion on 42 TNO pairs where floating point gives
  44.24. `python -m replication.pictures` compares that sheet with both forms.
- **SF near 0.04.** Images in [0, 1]: `linfeng_unit_range` ({sf:linfeng_unit_range} for {sf:paper}).
- **SF and SCD too low.** The same in `jileihou` as scripted: SF {sf:jileihou_uint8} for {sf:paper},
  SCD {scd:jileihou_uint8} for {scd:paper}.
- **Qabf too low.** Most code bases agree ({qabf:paper}). `zhengliu` has other constants and
  averages over pixels ({qabf:zhengliu}).
- **Nabf too high.** `thfylsty` computes it on images in [0, 1], where every weight is 0.001
  ({nabf:thfylsty} for {nabf:paper}).

### Errors

- **PSNR near 60.** `linfeng` and `ivif_zoo` divide the grey levels by 255 for the error but keep
  the peak of 255, which adds 20 log10 255 = 48.13 dB ({psnr:linfeng} for {psnr:paper}). `mefb` and
  `vifb` take a norm divided by the number of pixels for the error ({psnr:vifb}).
- **PSNR a few dB off.** The peak is the maximum of the fused image in `cddfuse` ({psnr:cddfuse}),
  that of each source in `thfylsty` and `topanxal` ({psnr:thfylsty}).
- **MSE near 0.02, RMSE near 0.1.** `linfeng` and `ivif_zoo` have grey levels in [0, 1]
  ({mse:linfeng} for {mse:paper}). The RMSE of `vifb` is that norm divided by the number of pixels
  ({mse:vifb}); it falls as images grow.

### Structural similarity

- **SSIM above 1, or half of it.** The sum over two sources (`vifb`: {ssim:vifb}) or their mean
  (`thfylsty`: {ssim:thfylsty}). On 42 TNO pairs SeAFusion has 1.336 as a sum, 0.668 as a mean.
- **SSIM lower still.** A data range of 2 for grey levels of 0 to 255, which was scikit-image's old
  default, makes the constants vanish: `cddfuse` ({ssim:cddfuse} for {ssim:ttd}). So does a range of
  1, MATLAB's default for floating point: `linfeng` ({ssim:linfeng} for {ssim:thfylsty}). `ivif_zoo`
  acts as if it were 1 ({ssim:ivif_zoo} for {ssim:paper}). Flat regions, as in the background of
  medical images, lose most.
- **SSIM 1 % off.** A uniform 7 x 7 window ({ssim:ttd}) or a Gaussian one of 11 x 11 ({ssim:paper}).
  The TTD paper sums, with a range of 255; which window it takes is open (inferred).
- **MS_SSIM that is MEF-SSIM.** `linfeng`, `thfylsty` and `jileihou` print MEF-SSIM, at most 1,
  under that name ({mef_ssim:linfeng}). MS-SSIM, summed over the sources, is another metric
  ({ms_ssim:paper}).

### Information

- **CE of 8, of 1.5 or of 0.1.** The full cross entropy ({ce:ttd}); the divergence over the levels
  that both images have, in `mefb`, `vifb` and `thfylsty` ({ce:vifb}); the binary cross entropy of
  sigmoids, in `ivif_zoo` ({ce:ivif_zoo}). The winner can change: on 42 TNO pairs IFCNN has the
  better divergence, 1.42 against 1.56 of SeAFusion, but SeAFusion has the better full cross
  entropy, 8.38 against 8.56.
- **CE of 17 to 19 on medical images.** More than half of a source is black there. A level that the
  fused image lost costs its share of the source times log2 10^7 = 23.25 bits, with 1e-7 inside the
  logarithm, which fits the tables of the TTD paper (inferred).
- **MI 0.69 times as high.** Nats, in `cddfuse` and `vifb` ({mi:cddfuse}), in place of bits
  ({mi:paper}). Stretching images to 0 .. 255 first, as `vifb` does, moves grey levels apart but
  merges none, so MI and NMI of 8-bit images stay as they are.
- **NMI above 2.** `jileihou` sums (H(X) + H(F)) / H(X, F) ({nmi:jileihou} for {nmi:paper}).
- **TE in the thousands.** `mefb`, `zhengliu` and `thfylsty` transpose the marginals ({te:mefb} for
  {te:paper}).

### Another metric under that name

- **FMI_pixel near 0.9.** What `linfeng` and `thfylsty` print so is the FMI of binary edges
  ({fmi:linfeng}); that of the grey levels is lower ({fmi:linfeng_none}).
- **VIF or VIFF.** `mefb` prints VIFF as VIF ({viff:mefb}); `cddfuse` prints the sum of VIF over the
  sources as VIFF ({vif:cddfuse}). The windows of `ivif_zoo` are off centre and padded
  ({vif:ivif_zoo}).
- **Qw of MEFB.** It is Q_W of the edge images ({qw:mefb} for {qw:paper}), one of the two factors of
  Q_E ({qe:paper}).

### Before and after the metric

- **Colour.** `vifb` and `mefb` score R, G and B and take the mean, and so do their presets here.
  Otherwise luma is scored, as in `linfeng` and in all the Python code bases. A grey picture is
  scored once, with the luma of its sources.
- **How images were saved.** JPEG adds blocks and ringing, which are scored as if the method had
  drawn them; `fusionlab evaluate --fused` points such files out. CDDFuse's test script stretches
  every image to 0 .. 255 before saving, which raises SD and EN.
- **Which images.** IVIF_ZOO's evaluator scores the first 300 files and skips missing ones silently.
  CDDFuse's divides the sum by the number of files in the folder, so that a stray file changes the
  mean. A distributed sampler repeats images to fill its last batch. Subsets of 14, 21, 25 and 42
  pairs all appear as "TNO".
- **Degenerate images.** On constant or black images most toolboxes return NaN or fail. What is
  returned here stands with each metric.
- **Higher is not always better.** Noise raises EN, AG and SF. CE, MSE, Labf, Nabf and Qcv are
  better when lower, Q_SF near 0.

### Slips in the TTD paper's own tables

No code can reproduce these (Cao et al., NeurIPS 2024):

- Table 1, MSRS: EI, SF, SCD and CE of TC-MoA (8.99, 10.77, 1.33, 7.12) repeat the row of IFCNN.
- Table 1, LLVIP: two improvements have the wrong sign. EN of PIAFusion rises from 7.39 to 7.42 and
  is printed as −0.04; CE of CDDFuse, better when lower, rises from 7.79 to 7.83 and is printed as
  +0.16.
- Table 9 gives IFCNN+TTD a shorter time than IFCNN, 0.0013 s and 0.006 s; the text says about twice
  the time.
- The 70 test images of LLVIP are random and not listed in the paper; the names of 69 have become
  known: manifest `llvip-ttd`.
"""
