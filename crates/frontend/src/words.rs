//! What the page says, in two languages.

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

impl Language {
    /// Its code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh-CN",
        }
    }

    /// Everything that is said.
    pub(crate) fn words(self) -> &'static Words {
        match self {
            Language::English => &ENGLISH,
            Language::Chinese => &CHINESE,
        }
    }

    /// What a field of the course's items is called; `None` for others, which keep their name.
    pub(crate) fn field(self, name: &str) -> Option<&'static str> {
        let (_, chinese) = FIELDS.iter().find(|(english, _)| *english == name)?;
        (self == Language::Chinese).then_some(*chinese)
    }
}

/// What the page says.
pub(crate) struct Words {
    pub(crate) title: &'static str,
    pub(crate) search: &'static str,
    pub(crate) placeholder: &'static str,
    pub(crate) hits: &'static str,
    pub(crate) more_than: &'static str,
    pub(crate) nothing: &'static str,
    pub(crate) previous: &'static str,
    pub(crate) next: &'static str,
    pub(crate) first: &'static str,
    pub(crate) types: &'static str,
    pub(crate) sort: &'static str,
    pub(crate) newest: &'static str,
    pub(crate) source: &'static str,
    pub(crate) fetched: &'static str,
    pub(crate) crawl: &'static str,
    pub(crate) details: &'static str,
    pub(crate) download: &'static str,
    pub(crate) mistake: &'static str,
    pub(crate) away: &'static str,
    pub(crate) no_item: &'static str,
    pub(crate) behind: &'static str,
    pub(crate) examples: &'static str,
    pub(crate) history: &'static str,
    pub(crate) changed: &'static str,
    pub(crate) gone: &'static str,
    pub(crate) back: &'static str,
    pub(crate) since: &'static str,
    pub(crate) large: &'static str,
    pub(crate) further: &'static str,
    pub(crate) no_history: &'static str,
}

const ENGLISH: Words = Words {
    title: "Items",
    search: "Search",
    placeholder: "words, \"a phrase\", Age:(<30), Type:car",
    hits: "items",
    more_than: "more than",
    nothing: "Nothing was found.",
    previous: "Previous",
    next: "Next",
    first: "First page",
    types: "Types",
    sort: "Sort",
    newest: "newest",
    source: "Source",
    fetched: "Fetched",
    crawl: "Crawl",
    details: "Details",
    download: "Download",
    mistake: "This query cannot be understood",
    away: "The items cannot be searched at present",
    no_item: "There is no such item.",
    behind: "items were stored a moment ago and cannot be found yet",
    examples: "For example",
    history: "What changed",
    changed: "changed",
    gone: "gone",
    back: "back",
    since: "before:",
    large: "too large to be kept",
    further: "further fields",
    no_history: "What changed cannot be told at present",
};

const CHINESE: Words = Words {
    title: "搜索",
    search: "搜索",
    placeholder: "词语、\"短语\"、Age:(<30)、Type:car",
    hits: "条结果",
    more_than: "超过",
    nothing: "没有找到结果。",
    previous: "上一页",
    next: "下一页",
    first: "第一页",
    types: "类型",
    sort: "排序",
    newest: "最新",
    source: "来源",
    fetched: "抓取时间",
    crawl: "爬取",
    details: "详情",
    download: "下载",
    mistake: "无法理解这个查询",
    away: "目前无法搜索",
    no_item: "没有这个条目。",
    behind: "条刚刚保存的条目暂时还搜不到",
    examples: "例如",
    history: "变更记录",
    changed: "已更改",
    gone: "已消失",
    back: "再次出现",
    since: "之前：",
    large: "内容过大，未保存",
    further: "个其他字段",
    no_history: "目前无法显示变更记录",
};

/// The fields of the course's two types.
const FIELDS: [(&str, &str); 22] = [
    ("Gender", "性别"),
    ("Age", "年龄"),
    ("Height", "身高"),
    ("Weight", "体重"),
    ("Income", "收入"),
    ("Marriage", "婚况"),
    ("Education", "教育"),
    ("Occupation", "职业"),
    ("Hukou", "籍贯"),
    ("Xinzuo", "星座"),
    ("House", "住房"),
    ("Car", "车"),
    ("Name", "名称"),
    ("Price", "价格（万）"),
    ("ImageURL", "图片"),
    ("Size", "尺寸"),
    ("Fuel", "油耗"),
    ("Transmission", "变速箱"),
    ("Engine", "发动机"),
    ("Displacement", "排量"),
    ("MaxSpeed", "最高车速"),
    ("Acceleration", "加速时间"),
];
