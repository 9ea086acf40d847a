"""What templates say, in Chinese."""

from __future__ import annotations

_SETS = {"train": "训练", "test": "测试", "held out": "留出"}
_FIGURES = {
    "loss": "损失",
    "accuracy": "准确率",
    "RMSE": "均方根误差",
    "R²": " R²",
    "%": "准确率（%）",
    "mean ± sd": "平均值 ± 标准差",
    "RMSE mean ± sd": "均方根误差：平均值 ± 标准差",
}
CHINESE = {
    f"{split} {figure}": f"{split_zh}{figure_zh}"
    for split, split_zh in _SETS.items()
    for figure, figure_zh in _FIGURES.items()
} | {
    ".": "。",
    "Figure {n}.": "图 {n}",
    "Table {n}.": "表 {n}",
    "layer": "层",
    "type": "类型",
    "provider": "提供者",
    "output": "输出",
    "rec. field": "感受野",
    "params": "参数",
    "MACs": "乘加",
    "connections": "连接",
    "total": "合计",
    "{n:,} of the parameters are not trained.": "其中 {n:,} 个参数不参与训练。",
    "epoch": "轮次",
    "last lr": "末步学习率",
    "R²": "R²",
    "seconds": "秒",
    "… {n} more epochs …": "…… 另有 {n} 轮 ……",
    "class": "类别",
    "true class": "真实类别",
    "predicted class": "预测类别",
    "predicted": "预测为",
    "samples": "样本数",
    "images": "图像数",
    "precision": "精确率",
    "recall": "召回率",
    "F1": "F1",
    "All samples of all classes are right.": "所有类别的样本都正确。",
    "Lowest recall ({shown} of {total:,} classes below 100%):": (
        "召回率最低的类别（低于 100% 的 {total:,} 类中的 {shown} 类）："
    ),
    "Most frequent errors ({shown:,} of {total:,}):": (
        "最常见的错误（共 {total:,} 个，列出 {shown:,} 个）："
    ),
    "The {shown} of {total:,} classes with the lowest recall.": (
        "共 {total:,} 类，列出召回率最低的 {shown} 类。"
    ),
    "test set": "测试集",
    "training set": "训练集",
    "Training report: {name}": "训练报告：{name}",
    "Run {letter}: {name}": "训练 {letter}：{name}",
    "Made by lenetkit {version}. The figures are those that were recorded in training.": (
        "由 lenetkit {version} 生成，其中的数据均为训练时的记录。"
    ),
    "This run is not finished ({state}, epochs done: {epochs}). Its figures are those after the "
    "last epoch; confusion matrices and mistakes come with the result.": (
        "这次训练尚未完成（{state}，已训练 {epochs} 轮）。以下数据为最后一轮之后的数据；"
        "混淆矩阵和识别错误要等训练完成后才有。"
    ),
    "{name}, a network of {params:,} parameters, was trained on {dataset} with {optimizer} "
    "(epochs: {epochs}, batch size: {batch}, seed: {seed}).": (
        "网络 {name} 有 {params:,} 个参数，在 {dataset} 上用 {optimizer} 训练了 {epochs} 轮"
        "（批大小 {batch}，随机种子 {seed}）。"
    ),
    "{name} was trained on {dataset} (epochs: {epochs}).": (
        "{name} 在 {dataset} 上训练了 {epochs} 轮。"
    ),
    "It reads {right:,} of {total:,} test images right and {wrong:,} wrong.": (
        "{total:,} 张测试图像中，答对 {right:,} 张，答错 {wrong:,} 张。"
    ),
    "The model is that of epoch {n}, which was best on the held-out samples.": (
        "模型取自第 {n} 轮，该轮在留出样本上最好。"
    ),
    "parameters": "参数",
    "epochs": "轮数",
    "{n} s": "{n} 秒",
    "training time": "训练用时",
    "Network and settings are those of run {letter}; only the seed is another: {seed}.": (
        "网络和设置与训练 {letter} 相同，只有随机种子不同：{seed}。"
    ),
    "The network": "网络",
    "The network as LeCun et al. (1998, figure 2) draw theirs: maps as stacked planes to scale, "
    "values as bars. A square on a map is what one unit of the next layer sees.": (
        "网络结构，画法仿 LeCun 等（1998）图 2：特征图按比例画成叠放的平面，数值画成长条。"
        "特征图上的小方框是下一层一个单元所看到的范围。"
    ),
    "Layer by layer: output (channels × height × width), receptive field in pixels of the input, "
    "parameters, multiply-adds (MACs) and connections for one image.": (
        "逐层列出：输出（通道 × 高 × 宽）、感受野（输入的像素）、参数，"
        "以及处理一张图像的乘加次数和连接数。"
    ),
    "The network cannot be drawn here: a plugin that it needs is not installed. Its layers are in "
    "the spec below.": "这里无法画出网络：缺少它所需的插件。各层见下文的网络描述。",
    "Settings": "设置",
    "How it was trained, as keys of the spec.": "训练的设置，以网络描述中的键表示。",
    "What differs from the spec that it extends, or else from the one that was given.": (
        "与所扩展的（否则与所给定的）网络描述的差别。"
    ),
    "removed": "删去",
    "Training": "训练过程",
    "Training loss of each step.": "每一步的训练损失。",
    "Mean loss after each epoch, over all samples of each set.": (
        "每轮之后的平均损失，按各数据集的全部样本计算。"
    ),
    "Accuracy after each epoch. The axis is stretched towards 100 %, so that 99 % and 99.9 % can "
    "be told apart.": ("每轮之后的准确率。坐标轴越接近 100% 刻度越宽，以便区分 99% 与 99.9%。"),
    "Root mean square error after each epoch.": "每轮之后的均方根误差。",
    "The epochs. Seconds are those of training; evaluation is left out.": (
        "各轮的数据。秒数只计训练，不计评估。"
    ),
    "An epoch took {mean:.2f} s on average ({low:.2f} to {high:.2f} s).": (
        "每轮平均用时 {mean:.2f} 秒（{low:.2f} 至 {high:.2f} 秒）。"
    ),
    "That is {rate:,.0f} training samples a second.": "即每秒训练 {rate:,.0f} 个样本。",
    "No epoch is done yet.": "尚未完成任何一轮。",
    "Results": "结果",
    "Confusion matrix of the {set}: how many images of each true class (rows) are taken for which "
    "class (columns). Blue: right; orange: errors.": (
        "{set}的混淆矩阵：每个真实类别（行）的图像各有多少张被识别为哪个类别（列）。"
        "蓝色为正确，橙色为错误。"
    ),
    "Confusion matrix of the {set}. Blue: right, darker means higher recall; orange: errors, "
    "darker means more.": (
        "{set}的混淆矩阵。蓝色为正确，颜色越深召回率越高；橙色为错误，颜色越深错误越多。"
    ),
    "Precision (share of the answers of a class that are right), recall (share of a class's images "
    "that are found) and F1, their harmonic mean.": (
        "精确率（识别为该类的图像中正确的比例）、召回率（该类图像中被识别出的比例）"
        "以及二者的调和平均值 F1。"
    ),
    "Mistakes": "识别错误",
    "There are none: all test images are read right.": "没有错误：所有测试图像都识别正确。",
    "The {shown} of {total:,} wrong answers that the network was surest of: true class → answer, "
    "its probability, and the number of the test image.": (
        "共 {total:,} 个错误，列出网络最有把握的 {shown} 个："
        "真实类别 → 识别结果、其概率，以及测试图像的编号。"
    ),
    "All wrong answers, the surest first: true class → answer, its probability, and the number of "
    "the test image.": (
        "全部错误，网络最有把握的在前：真实类别 → 识别结果、其概率，以及测试图像的编号。"
    ),
    "The images are not shown: the data set is not there any more, or is another.": (
        "图像未显示：数据集已不在原处，或已不是原来的数据集。"
    ),
    "no. {index}": "第 {index} 号",
    "Inside the network": "网络内部",
    "The weights {tensor}, those of the first layer that has any.": (
        "第一个有权重的层的权重 {tensor}。"
    ),
    "What every layer makes of one image: {image}. Each layer has its own scale, with its largest "
    "magnitude in brackets.": (
        "每一层对一张图像的输出：{image}。各层使用各自的色标，括号内为最大绝对值。"
    ),
    "There is no model that could be shown.": "没有可以显示的模型。",
    "Feature maps are not shown: the test images are not there any more, or are others.": (
        "特征图未显示：测试图像已不在原处，或已不是原来的图像。"
    ),
    "Feature maps are not shown: with those of so many runs, the report would be too large.": (
        "特征图未显示：训练次数太多，加上特征图后报告会过大。"
    ),
    "Environment": "环境",
    "The software and hardware on which it was trained.": "训练所用的软件和硬件。",
    "platform": "平台",
    "threads": "线程数",
    "To repeat it": "如何重现",
    "Saved as spec.yaml, this spec trains the same network again with the command below. With the "
    "same versions, processor and number of threads, the result is the same to the last bit.": (
        "把下面的网络描述存为 spec.yaml，用下面的命令即可重新训练。"
        "版本、处理器和线程数相同时，结果逐位相同。"
    ),
    "It was trained on arrays from Python, which a run folder does not hold. With this spec saved "
    "as spec.yaml and the same arrays, it can be trained again:": (
        "它用 Python 中的数组训练，训练文件夹不保存这些数组。"
        "把下面的网络描述存为 spec.yaml，用同样的数组即可重新训练："
    ),
    "arrays": "Python 数组",
    "Comparison": "比较",
    "The runs and their figures.": "各次训练及其数据。",
    "What differs": "设置的差别",
    "The settings in which the runs differ; all others are the same.": (
        "各次训练不同的设置；其余设置均相同。"
    ),
    "The runs differ in {keys} and in nothing else; the table above has the values.": (
        "各次训练只有 {keys} 不同，取值见上表。"
    ),
    "The specs of the runs are the same.": "各次训练的网络描述相同。",
    "Groups": "分组",
    "Runs that differ in nothing but the seed: mean and standard deviation (n − 1).": (
        "只有随机种子不同的训练：平均值与标准差（n − 1）。"
    ),
    "Curves": "曲线",
    "The runs by epoch. Runs of a group share colour, line and marker; the thick line is their "
    "mean.": "各次训练随轮次的变化。同组的训练颜色、线型和标记相同，粗线为其平均值。",
    "Are the differences more than chance?": "差别是否只是偶然？",
    "{a} and {b} read the same images right": "{a} 与 {b} 识别正确的图像完全相同",
    "{a} reads 1 image right that {b} reads wrong, the other way {fewer}: {p}": (
        "{a} 识别正确而 {b} 识别错误的图像有 1 张，反之有 {fewer} 张：{p}"
    ),
    "{a} reads {more:,} images right that {b} reads wrong, the other way {fewer:,}: {p}": (
        "{a} 识别正确而 {b} 识别错误的图像有 {more:,} 张，反之有 {fewer:,} 张：{p}"
    ),
    "McNemar's exact test on the test images that only one of two networks reads right: p is the "
    "probability of a split at least as uneven if both were equally good.": (
        "McNemar 精确检验，针对两个网络中只有一个识别正确的测试图像："
        "p 是两个网络同样好时，出现至少同样悬殊的结果的概率。"
    ),
    "Not corrected for {n} pairs.": "未对 {n} 对比较作多重校正。",
    "The {n} pairs that differ most are listed.": "列出差别最大的 {n} 对。",
    "There is no McNemar's test of runs whose folder lacks predictions.csv:": (
        "以下训练的文件夹中没有 predictions.csv，无法作 McNemar 检验："
    ),
    "The layers' outputs: {sizes}": "各层的输出：{sizes}",
    "Training loss by step, from {first:.4g} to {last:.4g}": (
        "每一步的训练损失，从 {first:.4g} 到 {last:.4g}"
    ),
    "Accuracy by epoch; at the end: {finals}": "各轮的准确率，最后为：{finals}",
    "Loss by epoch; at the end: {finals}": "各轮的损失，最后为：{finals}",
    "RMSE by epoch; at the end: {finals}": "各轮的均方根误差，最后为：{finals}",
    "Confusion matrix; accuracy {accuracy}": "混淆矩阵，准确率 {accuracy}",
    "The weights {name} as {n} pictures": "权重 {name} 的 {n} 幅图像",
    "test image {index}, true class {name}": "测试图像 {index}，真实类别 {name}",
    "Feature maps of every layer: {image}": "各层的特征图：{image}",
    "Curves of all runs by epoch: {runs}": "各次训练随轮次的曲线：{runs}",
    "run": "训练",
    "runs": "训练",
    "folder": "文件夹",
    "key": "键",
    "state": "状态",
    "finished": "已完成",
    "interrupted": "已中断",
    "diverged": "已发散",
    "running": "进行中",
}
"""English text of templates, and of what is put into them, → Chinese."""
