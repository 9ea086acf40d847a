"""What the pictures of a network say, in the languages that they know."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Words:
    """The words of one language. Braces are filled in; a layer's type stands for itself."""

    input: str = "input"
    architecture: str = "Architecture"
    parameters: str = "{count:,} parameters"
    convolution: str = "convolution {size}"
    max_pooling: str = "max pooling {size}"
    average_pooling: str = "average pooling {size}"
    global_average: str = "global average pooling"
    linear: str = "full connection"
    flatten: str = "flattening"
    upsampling: str = "upsampling {size}"
    stride: str = "stride {size}"
    dilation: str = "dilation {size}"
    groups: str = "{count} groups"
    drawn_to_scale: str = "maps are drawn to scale"
    planes: str = "at most {count} of a layer's maps are drawn"
    broken: str = "a broken bar is longer than drawn"
    filters: str = "Weights: {tensor}"
    all_filters: str = "{total:,} filters"
    filters_shown: str = "{shown:,} of {total:,} filters"
    maps_shown: str = "{shown:,} of {total:,} input maps of each"
    inputs_shown: str = "{shown:,} of {total:,} inputs"
    outputs_shown: str = "{shown:,} of {total:,} outputs"
    columns: str = "each row is a filter, each column an input map"
    sign: str = "blue below 0, red above"
    unit: str = "output"
    value: str = "input"
    features: str = "Feature maps"
    each_scale: str = "each layer on a scale of its own, its largest magnitude in brackets"
    first_test: str = "first test image of {dataset}"
    shown: str = "{shown:,} of {total:,}"
    answer: str = "answer: {name} ({chance})"
    probability: str = "probability in percent"
    saliency: str = "Saliency"
    gradient_of: str = "gradient of the output for {name} by the input (Simonyan et al. 2013)"
    seen: str = "the input"
    brighter: str = "red: brighter means more of {name}; blue: less"
    magnitude: str = "largest magnitude over the channels"
    epoch: str = "epoch"
    train: str = "train"
    validation: str = "validation"
    test: str = "test"
    loss: str = "mean loss"
    rmse: str = "RMSE"
    log_scale: str = "{name} (log scale)"
    loss_epochs: str = "Loss after each epoch"
    rmse_epochs: str = "RMSE after each epoch"
    no_loss: str = "No finite loss was recorded."
    accuracy: str = "accuracy in percent (stretched towards 100)"
    accuracy_epochs: str = "Accuracy after each epoch"
    no_accuracy: str = "No accuracy was recorded."
    not_finite: str = "not finite, left out: {count:,}"
    above: str = "above the axis: {count:,}, up to {top:.3g}"
    below: str = "below the axis: {count:,}"
    loss_steps: str = "Training loss by step"
    step: str = "training step (mini-batch)"
    training_loss: str = "training loss"
    each_step: str = "loss of each recorded step"
    running_mean: str = "running mean over {count} recorded steps"
    off_axis: str = "above the axis, or not finite"
    epochs_done: str = "epochs completed"
    test_accuracy: str = "accuracy in percent, test"
    test_rmse: str = "RMSE, test"
    test_loss: str = "loss, test"
    train_loss: str = "loss, training"
    more_groups: str = "and {count} more"
    no_epoch: str = "No epoch was recorded."
    runs_by_epoch: str = "{count} runs by epoch"
    confusion: str = "Confusion matrix"
    true_class: str = "true class"
    predicted_class: str = "predicted class"
    recall: str = "recall\nin %"
    precision: str = "precision\nin %"
    right: str = "accuracy {share} ({right:,} of {total:,} images)"
    no_images: str = "no images"
    confusion_colours: str = (
        "blue: read correctly, darker = higher recall · orange: errors, {errors}"
    )
    errors_up_to: str = "darker = more, up to {worst:,}"
    no_errors: str = "none were made"
    confusion_of_many: str = "Confusion of {count:,} classes"
    one_class: str = "class"
    block: str = "block of {count} classes"
    confusion_map: str = (
        "map: each row and column is a {square} · blue: read correctly, darker = higher recall · "
        "orange: errors, darker = more · ever predicted: {predicted:,} of {total:,} classes"
    )
    errors: str = "Most frequent errors"
    errors_shown: str = "Most frequent errors: {shown:,} of {total:,} images"
    poorest: str = "Lowest recall"
    poorest_shown: str = "Lowest recall: {shown} of {total:,} below 100 %"
    predicted: str = "predicted"
    images: str = "images"
    of_class: str = "% of class"
    recall_percent: str = "recall in %"
    none_listed: str = "there are none"

    @property
    def characters(self) -> str:
        """All of them, for choosing fonts."""
        return "".join(astuple(self))


ENGLISH = Words()
CHINESE = Words(
    input="输入",
    architecture="网络结构",
    parameters="参数 {count:,} 个",
    convolution="卷积 {size}",
    max_pooling="最大池化 {size}",
    average_pooling="平均池化 {size}",
    global_average="全局平均池化",
    linear="全连接",
    flatten="展平",
    upsampling="上采样 {size}",
    stride="步幅 {size}",
    dilation="膨胀 {size}",
    groups="{count} 组",
    drawn_to_scale="特征图按比例绘制",
    planes="每层最多绘制 {count} 张特征图",
    broken="断开的条比所绘更长",
    filters="权重：{tensor}",
    all_filters="共 {total:,} 个卷积核",
    filters_shown="共 {total:,} 个卷积核，显示 {shown:,} 个",
    maps_shown="每个共 {total:,} 张输入图，显示 {shown:,} 张",
    inputs_shown="共 {total:,} 个输入，显示 {shown:,} 个",
    outputs_shown="共 {total:,} 个输出，显示 {shown:,} 个",
    columns="每行一个卷积核，每列一张输入图",
    sign="蓝色为负，红色为正",
    unit="输出",
    value="输入",
    features="特征图",
    each_scale="各层使用各自的色标，括号内为最大绝对值",
    first_test="{dataset} 的第一张测试图像",
    shown="共 {total:,}，显示 {shown:,}",
    answer="识别为 {name}（{chance}）",
    probability="概率（%）",
    saliency="显著图",
    gradient_of="“{name}”的输出对输入的梯度（Simonyan 等，2013）",
    seen="输入",
    brighter="红色：越亮越像“{name}”；蓝色：越亮越不像",
    magnitude="各通道中的最大绝对值",
    epoch="轮次",
    train="训练",
    validation="验证",
    test="测试",
    loss="平均损失",
    rmse="均方根误差",
    log_scale="{name}（对数刻度）",
    loss_epochs="每轮之后的损失",
    rmse_epochs="每轮之后的均方根误差",
    no_loss="没有记录到有限的损失。",
    accuracy="准确率（%，越接近 100 刻度越宽）",
    accuracy_epochs="每轮之后的准确率",
    no_accuracy="没有记录准确率。",
    not_finite="非有限值，未画出：{count:,}",
    above="高于坐标轴：{count:,}，最大 {top:.3g}",
    below="低于坐标轴：{count:,}",
    loss_steps="每一步的训练损失",
    step="训练步（小批量）",
    training_loss="训练损失",
    each_step="每个记录步的损失",
    running_mean="{count} 个记录步的滑动平均",
    off_axis="超出坐标轴，或非有限值",
    epochs_done="已完成的轮次",
    test_accuracy="准确率（%），测试集",
    test_rmse="均方根误差，测试集",
    test_loss="损失，测试集",
    train_loss="损失，训练集",
    more_groups="另有 {count} 组",
    no_epoch="没有记录任何一轮。",
    runs_by_epoch="{count} 次训练，按轮次",
    confusion="混淆矩阵",
    true_class="真实类别",
    predicted_class="预测类别",
    recall="召回率\n（%）",
    precision="精确率\n（%）",
    right="准确率 {share}（{total:,} 张图像中 {right:,} 张正确）",
    no_images="没有图像",
    confusion_colours="蓝色：识别正确，越深召回率越高 · 橙色：错误，{errors}",
    errors_up_to="越深越多，最多 {worst:,}",
    no_errors="没有",
    confusion_of_many="{count:,} 个类别的混淆",
    one_class="类别",
    block="{count} 个类别的区块",
    confusion_map=(
        "图中每行、每列为一个{square} · 蓝色：识别正确，越深召回率越高 · "
        "橙色：错误，越深越多 · 曾被预测：{total:,} 类中的 {predicted:,} 类"
    ),
    errors="最常见的错误",
    errors_shown="最常见的错误：{total:,} 张中的 {shown:,} 张",
    poorest="召回率最低",
    poorest_shown="召回率最低：低于 100% 的 {total:,} 类中的 {shown} 类",
    predicted="预测为",
    images="图像数",
    of_class="占该类 %",
    recall_percent="召回率 %",
    none_listed="没有",
)
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}
