"""What the pictures of a network say, in the languages that they know."""

from __future__ import annotations

from dataclasses import dataclass


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
)
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}
