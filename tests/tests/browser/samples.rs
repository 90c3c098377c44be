//! Small files that a browser can show.

/// A document of one page that says `text`.
pub fn pdf(text: &str) -> Vec<u8> {
    let drawing = format!("BT /F1 24 Tf 72 720 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{drawing}\nendstream", drawing.len()),
    ];
    let mut document = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", document.len()));
        document.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).into_bytes());
    }
    let (start, count) = (document.len(), objects.len() + 1);
    document.extend(
        format!("{table}trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").into_bytes(),
    );
    document
}

/// A picture of colours that run into each other, not compressed.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..height {
        rows.push(0);
        rows.extend((0..width).flat_map(|x| [(x * 255 / width) as u8, (y * 255 / height) as u8, 160]));
    }
    // zlib with stored blocks.
    let mut packed = vec![0x78, 0x01];
    let blocks = rows.chunks(0xffff).count();
    for (number, block) in rows.chunks(0xffff).enumerate() {
        let length = block.len() as u16;
        packed.push(u8::from(number + 1 == blocks));
        packed.extend(length.to_le_bytes());
        packed.extend((!length).to_le_bytes());
        packed.extend(block);
    }
    let (a, b) = rows.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    packed.extend((b << 16 | a).to_be_bytes());

    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let body = [&kind[..], data].concat();
        picture.extend((data.len() as u32).to_be_bytes());
        picture.extend(&body);
        picture.extend(crc32(&body).to_be_bytes());
    };
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    // 8 bits of red, green and blue each.
    chunk(b"IHDR", &[&size[..], &[8, 2, 0, 0, 0]].concat());
    chunk(b"IDAT", &packed);
    chunk(b"IEND", &[]);
    picture
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}
