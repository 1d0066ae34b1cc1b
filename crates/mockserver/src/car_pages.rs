//! The HTML of the car site. Its links are within the host (`/mock/…`) and, in the pager, protocol-relative (`//HOST/…`),
//! as they were on the site the course crawled.

use std::fmt::Write as _;

use crate::address;
use crate::cars::{Cars, car_id};
use crate::markup::{document, escape};

/// A page of the car list; it exists.
pub(crate) fn car_list(cars: &Cars, host: &str, page: u32) -> String {
    let mut body = String::with_capacity(4 * 1024);
    body.push_str("<h1>车型列表</h1>\n<div class=\"list\">\n");
    for model in cars.page(page) {
        let (url, name) = (address::model("", cars.model_id(model)), cars.model_name(model));
        let name = escape(&name);
        let _ = writeln!(
            body,
            "<div class=\"list_item\"><a href=\"{url}\" target=\"_blank\" class=\"list_img\"><img src=\"{}\" alt=\"{name}\"></a>\
             <span class=\"name\">{name}</span></div>",
            address::car_image("", &car_id(cars.numbers(model).start))
        );
    }
    body.push_str("</div>\n<div class=\"pagers\">");
    for other in address::pager(page, cars.last_page()) {
        let url = address::car_list(&format!("//{host}"), other);
        let _ = write!(body, "<a href=\"{url}\" class=\"page\">{other}</a>");
    }
    body.push_str("</div>");
    document(&format!("车型列表 第{page}页"), &body)
}

/// A model and its cars.
pub(crate) fn model(cars: &Cars, base: &str, model: u32) -> String {
    let mut body = String::with_capacity(2 * 1024);
    let name = cars.model_name(model);
    let _ = write!(body, "<h1>{}</h1>\n<table class=\"cars\">", escape(&name));
    for number in cars.numbers(model) {
        let car = cars.car(base, model, number);
        let _ = writeln!(
            body,
            "<tr><td><a href=\"{}\" target=\"_blank\">{}</a></td><td>{:.2}万</td></tr>",
            address::car("", &car_id(number)),
            escape(&car.name),
            car.price
        );
    }
    body.push_str("</table>");
    document(&format!("{name} 在售车款"), &body)
}

/// A car; absent fields have no row at all.
pub(crate) fn car(cars: &Cars, base: &str, model: u32, number: u32) -> String {
    let car = cars.car(base, model, number);
    let name = escape(&car.name);
    let mut body = String::with_capacity(3 * 1024);
    let _ = write!(
        body,
        "<h1>{name}</h1>\n<div class=\"color_tab\"><img class=\"color_car_img_new\" src=\"{}\" alt=\"{name}\"></div>\n\
         <div class=\"guide_price\">指导价：<span class=\"price\">{:.2}</span>万</div>\n<ul class=\"params\">\n",
        car.image_url, car.price
    );
    let mut parameter = |label: &str, value: String| {
        if !value.is_empty() {
            let value = escape(&value);
            let _ = writeln!(body, "<li><span class=\"label\">{label}：</span><em>{value}</em></li>");
        }
    };
    parameter("车身尺寸", car.size.clone());
    parameter("工信部油耗", tenths_or_nothing(car.fuel, "L/100km"));
    parameter("变速箱", car.transmission.clone());
    parameter("发动机", car.engine.clone());
    parameter("排量", tenths_or_nothing(car.displacement, "L"));
    body.push_str("</ul>\n<table class=\"performance\">\n");
    if car.max_speed != 0.0 {
        let _ = writeln!(body, "<tr><td>最高车速(km/h)</td><td>{:.0}</td></tr>", car.max_speed);
    }
    if car.acceleration != 0.0 {
        let _ = writeln!(body, "<tr><td>0-100加速时间(s)</td><td>{:.1}</td></tr>", car.acceleration);
    }
    body.push_str("</table>\n<div class=\"related\">");
    for other in std::iter::once(model).chain(cars.siblings(model)) {
        let _ = write!(body, "<a href=\"{}\">{}</a> ", address::model("", cars.model_id(other)), escape(&cars.model_name(other)));
    }
    body.push_str("</div>");
    document(&format!("【{}】报价_图片_参数", car.name), &body)
}

fn tenths_or_nothing(value: f64, unit: &str) -> String {
    if value == 0.0 { String::new() } else { format!("{value:.1}{unit}") }
}
